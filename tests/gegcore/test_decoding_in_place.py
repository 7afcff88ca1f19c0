"""Decoding with constant shapes: the same captions, no look at values, one graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_captioners import NAMES, features, small
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.nn.functional import pad

from gegcore.data.features import FeatureBatch
from gegcore.decoding import compiled_step, decode
from gegcore.errors import ConfigError
from gegcore.models import Captioner

STEPS, SAMPLES, IMAGES = 7, 3, 4
models = pytest.mark.parametrize("name", NAMES)


def pictures() -> FeatureBatch:
    return features(IMAGES, 5, [5, 3, 1, 5], seed=5)


def captioner(name: str) -> Captioner:
    model = small(name)
    with torch.no_grad():  # so that captions differ and some end early
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model


def noise() -> torch.Tensor:
    shape = (IMAGES, SAMPLES, STEPS)
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@models
@pytest.mark.parametrize(
    "options",
    [{}, {"forbid": (3, 5)}, {"temperature": 0.7}, {"greedy": False}],
    ids=str,
)
def test_the_captions_are_the_same(name: str, options: dict[str, Any]) -> None:
    model, given = captioner(name), {"samples": SAMPLES, "noise": noise(), "max_len": STEPS}
    shared = decode(model, pictures(), **given, **options)
    own = decode(model, pictures(), **given, **options, in_place=True)
    missing = STEPS - shared.tokens.shape[-1]
    assert own.tokens.shape == (IMAGES, SAMPLES + options.get("greedy", True), STEPS)
    assert torch.equal(own.tokens, pad(shared.tokens, (0, missing)))
    torch.testing.assert_close(
        own.log_probs, pad(shared.log_probs, (0, missing)), atol=1e-5, rtol=1e-5
    )
    assert len(own.tokens.flatten(0, 1).unique(dim=0)) > 2


def test_some_captions_end_before_the_last_step() -> None:
    """Else the tests above would not see what happens behind an end token."""
    lengths = [
        (decode(captioner(name), pictures(), SAMPLES, noise=noise(), max_len=STEPS).tokens > 0)
        for name in NAMES
    ]
    assert any(bool((said.sum(-1) < STEPS - 1).any()) for said in lengths)


@models
def test_nothing_waits_for_the_device(name: str) -> None:
    """Fake tensors have no values: an operation that needs one on the host raises."""
    model = captioner(name)
    with torch.no_grad():
        memory = model.encode(pictures())
    given: dict[str, Any] = {"samples": SAMPLES, "max_len": STEPS, "forbid": (3,)}
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.rand(IMAGES, SAMPLES, STEPS, dtype=torch.float64)
        decoded = decode(model, memory, noise=fake, **given, in_place=True)
        assert decoded.tokens.shape == (IMAGES, SAMPLES + 1, STEPS)
        with pytest.raises((DataDependentOutputException, RuntimeError, NotImplementedError)):
            decode(model, memory, noise=fake, **given, in_place=False)


@models
def test_a_step_compiles_to_one_graph_for_all_words(name: str) -> None:
    torch._dynamo.reset()
    model, graphs = captioner(name), []

    def count(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    given: dict[str, Any] = {"samples": SAMPLES, "noise": noise(), "max_len": STEPS}
    plain = decode(model, pictures(), **given, in_place=True)
    step = compiled_step(model, backend=count)
    for _ in range(2):  # the second batch uses what the first has compiled
        compiled = decode(model, pictures(), **given, step=step)
        assert torch.equal(compiled.tokens, plain.tokens)
        torch.testing.assert_close(compiled.log_probs, plain.log_probs)
    assert 1 <= len(graphs) <= 2, "one for the first word, one for all others"


def test_more_steps_than_positions_are_refused() -> None:
    model = small("transformer", max_positions=5)
    with pytest.raises(ConfigError, match="max_positions=5"):
        decode(model, pictures(), max_len=6, in_place=True)
    with pytest.raises(ConfigError, match="max_len=0"):
        decode(model, pictures(), max_len=0, in_place=True)
