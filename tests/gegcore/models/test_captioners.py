"""What every captioner must satisfy, whoever wrote it."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from captioner import MeanGru, Spoken
from hypothesis import given, settings
from hypothesis import strategies as st
from small_captioners import INPUTS, NAMES, OF_ITS_LOSS, VOCAB, captions, features, small
from torch import Tensor

from gegcore.data.features import FeatureBatch
from gegcore.decoding import score, sequence_log_probs
from gegcore.errors import ConfigError
from gegcore.models import Captioner, State, build_captioner, shift_right

ATTENDING = [
    name
    for name in NAMES
    if small(name).attention(small(name).encode(features(1, 2)), torch.zeros(1, 1, 1).long())
    is not None
]
models = pytest.mark.parametrize("name", NAMES)
attending_models = pytest.mark.parametrize("name", ATTENDING)


def cut(batch: FeatureBatch, count: int) -> FeatureBatch:
    """Only the first regions."""
    assert batch.relations is not None
    return replace(
        batch,
        regions=batch.regions[:, :count],
        boxes=batch.boxes[:, :count],
        relations=batch.relations[:, :count, :count],
        mask=batch.mask[:, :count],
    )


def dirty(batch: FeatureBatch) -> FeatureBatch:
    """The same images with noise where there are no regions, edges from and to them included."""
    assert batch.relations is not None
    noise = 100 * torch.randn_like(batch.regions)
    padded = ~batch.mask
    edges = padded[:, None] | padded[:, :, None]
    return replace(
        batch,
        regions=batch.regions + noise * padded[..., None],
        boxes=batch.boxes + 9 * padded[..., None],
        relations=torch.where(edges, INPUTS.relations - 1, batch.relations),
    )


@st.composite
def situations(draw: Callable[..., Any]) -> tuple[FeatureBatch, Tensor]:
    images, copies = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    regions, length = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    real = [draw(st.integers(1, regions)) for _ in range(images)]
    seed = draw(st.integers(0, 999))
    return features(images, regions, real, seed), captions(images, copies, length, seed=seed)


@models
@given(situations())
@settings(deadline=None, max_examples=25)
def test_steps_agree_with_forward(name: str, situation: tuple[FeatureBatch, Tensor]) -> None:
    batch, tokens = situation
    images, copies, length = tokens.shape
    model = small(name)
    with torch.no_grad():
        expected = model(batch, tokens)
        state = model.start(model.encode(batch), copies, length)
        for t in range(length):
            logits, state = model.step(tokens[..., t].flatten(), state)
            torch.testing.assert_close(
                logits.view(images, copies, VOCAB), expected[:, :, t], rtol=0, atol=1e-10
            )


@models
@given(situations())
@settings(deadline=None, max_examples=25)
def test_padded_regions_change_nothing(name: str, situation: tuple[FeatureBatch, Tensor]) -> None:
    batch, tokens = situation
    model = small(name)
    with torch.no_grad():
        expected = model(batch, tokens)
        torch.testing.assert_close(model(dirty(batch), tokens), expected, rtol=0, atol=1e-12)
        for b in range(len(batch)):  # and each image alone, cut to its own regions
            alone = batch.select([b])
            own = model(cut(alone, int(alone.mask.sum())), tokens[b : b + 1])
            torch.testing.assert_close(own, expected[b : b + 1], rtol=0, atol=1e-10)


@models
def test_later_words_do_not_change_earlier_logits(name: str) -> None:
    model, batch, tokens = small(name), features(2, 4), captions(2, 7)
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCAB
    before, after = model(batch, tokens), model(batch, changed)
    torch.testing.assert_close(after[:, :4], before[:, :4], rtol=0, atol=1e-12)
    assert not torch.allclose(after[:, 4], before[:, 4])


@models
def test_captions_of_an_image_equal_captions_of_copies_of_it(name: str) -> None:
    model, batch, tokens = small(name), features(3, 5, [5, 2, 3]), captions(3, 4, 6)
    copied = batch.select(torch.arange(3).repeat_interleave(4))
    expected = model(copied, tokens.flatten(0, 1)).view(3, 4, 6, VOCAB)
    torch.testing.assert_close(model(batch, tokens), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(model(batch, tokens[:, 1]), expected[:, 1], rtol=0, atol=1e-10)


@models
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = small(name).train()
    logits = model(features(3, 5), captions(3, 2, 8))
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)).double()
    (logits.log_softmax(-1) * weights).sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert {n.split(".")[0] for n in missing} == OF_ITS_LOSS.get(name, set())


@attending_models
def test_every_region_matters(name: str) -> None:
    model, batch, tokens = small(name), features(1, 4), captions(1, 5)
    expected = model(batch, tokens)
    for i in range(4):
        regions = batch.regions.clone()
        regions[:, i] += 1
        assert not torch.allclose(model(replace(batch, regions=regions), tokens), expected)


@attending_models
def test_order_of_regions_does_not_matter(name: str) -> None:
    model, batch, tokens = small(name), features(2, 5, [5, 3]), captions(2, 4)
    assert batch.relations is not None
    order = torch.tensor([3, 0, 4, 2, 1])
    shuffled = FeatureBatch(
        batch.pooled,
        batch.attributes,
        batch.regions[:, order],
        batch.boxes[:, order],
        batch.relations[:, order][:, :, order],
        batch.mask[:, order],
    )
    torch.testing.assert_close(model(shuffled, tokens), model(batch, tokens), rtol=0, atol=1e-10)


@attending_models
def test_attention_is_a_distribution_over_the_real_regions(name: str) -> None:
    model, batch, tokens = small(name), features(3, 5, [5, 1, 3]), captions(3, 2, 6)
    seen = model.attention(model.encode(batch), tokens)
    assert seen is not None
    assert seen.shape == (3, 2, 6, 5)
    torch.testing.assert_close(seen.sum(-1), torch.ones(3, 2, 6, dtype=torch.float64))
    real = batch.mask[:, None, None].expand_as(seen)
    assert (seen[real] > 0).all()
    assert not seen[~real].any()
    assert (seen[0, 0, 1] - seen[0, 0, 4]).abs().max() > 1e-6  # it moves from word to word


@models
def test_unrolling_steps_is_the_default_teacher_forcing(name: str) -> None:
    model, tokens = small(name), captions(2, 3, 5)
    with torch.no_grad():
        memory = model.encode(features(2, 4))
        unrolled = Captioner.decode_teacher_forced(model, memory, tokens)
        direct = model.decode_teacher_forced(memory, tokens)
    torch.testing.assert_close(unrolled, direct, rtol=0, atol=1e-10)


@models
def test_reordered_rows_go_on_as_the_rows_they_continue(name: str) -> None:
    model, batch = small(name), features(2, 4)
    tokens = captions(2, 3, 6)
    parent = torch.tensor([[2, 0, 0], [1, 1, 2]])
    with torch.no_grad():
        state = model.start(model.encode(batch), 3, 6)
        for t in range(3):
            _, state = model.step(tokens[..., t].flatten(), state)
        state = state.keep((parent + torch.tensor([[0], [3]])).flatten())
        tokens = tokens.gather(1, parent[..., None].expand(2, 3, 6)).clone()
        tokens[..., 3:] = captions(2, 3, 3, seed=8)
        for t in range(3, 6):
            logits, state = model.step(tokens[..., t].flatten(), state)
            torch.testing.assert_close(
                logits.view(2, 3, VOCAB), model(batch, tokens)[:, :, t], rtol=0, atol=1e-10
            )


@models
def test_kept_rows_go_on_as_before(name: str) -> None:
    """Images lose rows, lose all of them, or get more; then again."""
    model, batch, tokens = small(name), features(4, 5, [5, 3, 1, 4]), captions(4, 2, 7)
    image, caption = torch.arange(8) // 2, torch.arange(8) % 2
    with torch.no_grad():
        expected = model(batch, tokens)
        state = model.start(model.encode(batch), 2, 7)
        for t in range(7):
            if t in (2, 4):
                rows = torch.tensor([0, 0, 1, 5, 6, 6, 7] if t == 2 else [2, 3, 3, 3])
                state, image, caption = state.keep(rows), image[rows], caption[rows]
            logits, state = model.step(tokens[image, caption, t], state)
            torch.testing.assert_close(logits, expected[image, caption, t], rtol=0, atol=1e-10)


@models
def test_dropout_acts_in_training_only(name: str) -> None:
    model, batch, tokens = small(name), features(2, 4), captions(2, 5)
    assert torch.equal(model(batch, tokens), model(batch, tokens))
    model.train()
    assert not torch.allclose(model(batch, tokens), model(batch, tokens))


def test_shift_right() -> None:
    tokens = torch.tensor([[[5, 6, 0, 0], [7, 0, 0, 0]]])
    assert shift_right(tokens).tolist() == [[[0, 5, 6, 0], [0, 7, 0, 0]]]


@models
def test_images_without_regions_are_captioned(name: str) -> None:
    model, tokens = small(name), captions(2, 4)
    batch = features(2, 3, [0, 3])
    logits = model(batch, tokens)
    assert logits.isfinite().all()
    torch.testing.assert_close(model(dirty(batch), tokens), logits, rtol=0, atol=1e-12)


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="(?s)'resnet'.*transformer"):
        build_captioner("resnet", VOCAB, INPUTS)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"widht": 8}, "widht"),
        ({"width": 30, "heads": 4}, "heads 4"),
        ({"word_dropout": 1.5}, "word_d"),
    ],
)
def test_bad_settings_are_named(overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){named}.*fields: width"):
        build_captioner("transformer", VOCAB, INPUTS, **overrides)


@pytest.mark.parametrize("name", NAMES)
def test_prefixes_are_scored_as_whole_captions_are(name: str) -> None:
    """Values and gradients, of captions that begin alike, end early, or say the same twice."""
    model, batch = small(name), features(3, 4, real=[4, 2, 3])
    tokens = captions(3, 4, 6) % 3 + torch.tensor([0, 1, 1, 0, 0, 0])
    tokens[:, 3] = tokens[:, 2]
    tokens = tokens * (tokens != 0).long().cumprod(-1)
    found = []
    for packed in (True, False):
        model.zero_grad()
        memory = model.encode(batch)
        if packed:
            log_probs = score(model, memory, tokens, forbid=(5,), temperature=0.7)
        else:
            logits = model.decode_teacher_forced(memory, shift_right(tokens)) / 0.7
            log_probs = sequence_log_probs(logits, tokens, forbid=(5,))
        (log_probs * torch.arange(4.0)[:, None]).sum().backward()
        found.append([log_probs, *(p.grad for p in model.parameters() if p.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


class _NoKeep(State):
    pass


@dataclass
class _Bare:
    hidden: Tensor


@abstractmethod
def _missing(self: Any) -> None: ...


def _cut(self: Any, tokens: Tensor, state: Any) -> Any:
    logits, state = MeanGru.step(self, tokens, state)
    return logits[:, 3:], state


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no step": ({"step": _missing}, "has no step"),
    "no start, no step": (
        {"step": _missing, "start": _missing},
        "has no start and no step",
    ),
    "logits only": ({"step": lambda s, t, x: MeanGru.step(s, t, x)[0]}, r"step .* a Tensor of"),
    "fewer logits": ({"step": _cut}, r"step .* of shape \(2, 20\)\n.*\(2, 23\)"),
    "no keep": ({"start": lambda s, m, copies=1, max_len=20: _Bare(m.image)}, "start .* a _Bare"),
    "abstract state": ({"start": lambda s, m, copies=1, max_len=20: _NoKeep()}, "_NoKeep"),
    "one copy": (
        {"start": lambda s, m, copies=1, max_len=20: Spoken(m.image)},
        "cannot say 2 captions of an image: RuntimeError",
    ),
    "no copies": ({"start": lambda s, m: Spoken(m.image)}, r"start .* called as start\(memory, c"),
    "no memory": ({"encode": lambda s, f: f.pooled}, "encode .* gives a Tensor of shape"),
}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Captioner]:
    def build(methods: dict[str, Any]) -> Captioner:
        found = type("Mine", (MeanGru,), methods)
        monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(Mine=found))
        return build_captioner("mine:Mine", VOCAB, INPUTS, width=8)

    return build


@pytest.mark.parametrize("name", WRONG)
def test_a_method_of_ones_own_that_is_wrong_is_named(
    name: str, own: Callable[..., Captioner]
) -> None:
    methods, said = WRONG[name]
    with pytest.raises(ConfigError, match=f"(?s)captioner 'mine:Mine'.*{said}|{said}") as raised:
        own(methods)
    assert "'mine:Mine'" in raised.value.what and raised.value.fix


def test_trying_a_captioner_out_changes_nothing(own: Callable[..., Captioner]) -> None:
    """Neither random numbers nor modes nor what it counts."""

    def encode(self: Any, features: FeatureBatch) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        calls.append(int(torch.randint(99, (1,))))
        return MeanGru.encode(self, features)

    def init(self: Any, *arguments: Any) -> None:
        MeanGru.__init__(self, *arguments)
        self.words.eval()

    calls: list[int] = []
    torch.manual_seed(5)
    model: Any = own({"encode": encode, "__init__": init})
    following = torch.rand(3)
    assert calls and not hasattr(model, "calls")
    assert model.training and model.gru.training and not model.words.training
    torch.manual_seed(5)
    inner = MeanGru(VOCAB, INPUTS, MeanGru.Config(width=8))
    assert torch.equal(torch.rand(3), following)
    assert all(
        torch.equal(a, b) for a, b in zip(inner.parameters(), model.parameters(), strict=True)
    )


def test_a_captioner_of_other_images_is_not_judged_by_these(own: Callable[..., Captioner]) -> None:
    def encode(self: Any, features: FeatureBatch) -> Any:
        assert features.mask.shape[1] == 36
        return MeanGru.encode(self, features)

    assert own({"encode": encode}).vocab_size == VOCAB
