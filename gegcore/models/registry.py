"""All captioners by name, and the factory that builds one."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from gegcore import registry
from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.errors import ConfigError
from gegcore.models.attention_lstm import AttentionCaptioner
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory
from gegcore.models.gcn_lstm import GCNLSTM
from gegcore.models.lstm_a3 import LSTMA3
from gegcore.models.meshed_memory import MeshedMemory
from gegcore.models.transformer import Transformer
from gegcore.models.up_down import UpDown
from gegcore.models.xlan import Xlan

ARCHITECTURES: dict[str, type[Captioner]] = {
    "lstm_a3": LSTMA3,
    "attention": AttentionCaptioner,
    "updown": UpDown,
    "gcn_lstm": GCNLSTM,
    "transformer": Transformer,
    "meshed_memory": MeshedMemory,
    "xlan": Xlan,
}
"""In the order of the paper; a new captioner adds one line here, or in a profile."""


_ALSO = {"m2": "meshed_memory", "up_down": "updown", "x_lan": "xlan"}
"""Names that the literature and X-modaler's users also have for them."""

_CALLS = {
    "encode": "encode(features)",
    "start": "start(memory, copies, max_len)",
    "step": "step(tokens, state)",
}
"""What every captioner must have, and how it is called."""

_IMAGES, _REGIONS = 2, 3
"""Of the made-up batch that somebody's captioner is tried out with."""


def build_captioner(name: str, vocab_size: int, inputs: InputSizes, **overrides: Any) -> Captioner:
    """Build an untrained captioner; its config's defaults are the published (paper) size.

    Args:
        name: a key of ``ARCHITECTURES``, or ``package.module:Class`` of a :class:`Captioner`.
        vocab_size: V, id 0 included.
        inputs: widths of the features that it will see.
        overrides: fields of the model's config, such as ``width=128``.

    Raises:
        ConfigError: an unknown model, an unknown field, a value out of range, data that lacks
            what the model reads, or a class whose methods do not do what `Captioner` says.
    """
    build: Any = architecture(name)
    abstract = getattr(build, "__abstractmethods__", ())
    if lacking := [x for x in _CALLS if x in abstract or not hasattr(build, x)]:
        what = f"captioner '{name}' has no {' and no '.join(lacking)}"
        raise ConfigError(what, f"define {', '.join(map(_CALLS.__getitem__, lacking))}")
    captioner: Captioner = build(vocab_size, inputs, resolve_config(name, **overrides))
    if canonical(name) not in ARCHITECTURES:
        _try_out(name, captioner, vocab_size, inputs)
    return captioner


def canonical(name: str) -> str:
    """The key in ``ARCHITECTURES`` of a model that also goes by another name."""
    return _ALSO.get(name, name)


def architecture(name: str) -> type[Captioner]:
    """The class of the captioner of that name; ConfigError if there is none."""
    found: type[Captioner] = registry.find("captioner", canonical(name), ARCHITECTURES)
    if not (isinstance(found, type) and hasattr(found, "Config")):
        raise ConfigError(
            f"captioner '{name}' is no class with a Config",
            "derive it from gegcore.models.Captioner",
        )
    return found


def resolve_config(name: str, **overrides: Any) -> BaseModel:
    """The config of a model with some fields overridden; errors as `build_captioner`."""
    config = architecture(name).Config
    try:
        return config(**overrides)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        fix = f"fields: {', '.join(config.model_fields)}"
        raise ConfigError(f"bad settings of model {name!r}: {wrong}", fix) from error


@torch.no_grad()
def _try_out(name: str, captioner: Captioner, vocab_size: int, inputs: InputSizes) -> None:
    """Say a few words of made-up images: what is wrong is known before anything is trained.

    By a copy of the captioner, and random numbers are put back: training is the same without.
    One that cannot say one caption of such images, for all shapes, is not judged by them.

    Raises:
        ConfigError: a method does not do what `Captioner` says.
    """
    for method, call in _CALLS.items():
        try:
            inspect.signature(getattr(captioner, method)).bind(*call.split(", "))  # their number
        except TypeError as error:
            what = f"{method} of captioner '{name}' cannot be called as {call}: {error}"
            raise ConfigError(what, "give it these arguments") from error
    parameter = next(captioner.parameters(), torch.zeros(0))
    if parameter.is_meta:
        return
    copies = 1
    with torch.random.fork_rng([parameter.device] if parameter.is_cuda else []):
        try:
            model = deepcopy(captioner).eval()
            memory = model.encode(_made_up(inputs).to(parameter.device))
            for copies in (1, 2):
                _say(name, model, memory, copies, vocab_size)
        except ConfigError:
            raise
        except Exception as error:  # whatever somebody's code leads to
            if copies == 1 and "abstract class" not in str(error):
                return
            what = f"captioner '{name}' cannot say {copies} captions of an image"
            fix = "let start open `copies` rows for each image, one after the other, step feed a "
            fix += "word to each row, and the state have keep(rows)"
            raise ConfigError(f"{what}: {type(error).__name__}: {error}", fix) from error


def _say(name: str, model: Captioner, memory: Any, copies: int, vocab_size: int) -> None:
    """Two words; ConfigError where anything has another type or shape than `Captioner` says."""

    def check(fits: bool, method: str, given: object, wanted: str) -> None:
        if not fits:
            found = f"a {type(given).__name__}"
            if isinstance(given, Tensor):
                found += f" of shape {tuple(given.shape)}"
            raise ConfigError(f"{method} of captioner '{name}' gives {found}", f"give {wanted}")

    rows = _IMAGES * copies
    check(isinstance(memory, Memory), "encode", memory, "a gegcore.models.Memory")
    if memory.batch_size != _IMAGES:
        what = f"memory of captioner '{name}' has batch_size {memory.batch_size}"
        raise ConfigError(what, f"give the number of images, here {_IMAGES}")
    state: Any = model.start(memory, copies, MAX_LENGTH)
    check(hasattr(state, "keep"), "start", state, "a gegcore.models.State, which has keep(rows)")
    every = torch.arange(rows, device=next(model.parameters(), torch.zeros(0)).device)
    for _ in range(2):
        found: Any = model.step(torch.zeros_like(every), state)
        pair = isinstance(found, tuple) and len(found) == 2
        check(pair, "step", found, "two things: logits and the next state")
        logits, state = found
        fits = isinstance(logits, Tensor) and logits.shape == (rows, vocab_size)
        check(fits, "step", logits, f"logits ({rows}, {vocab_size}): captions, words with the end")
        check(hasattr(state, "keep"), "step", state, "a state that has keep(rows)")
        state = state.keep(every // copies * copies)  # all of an image go on as its first
        check(hasattr(state, "keep"), "keep", state, "a state that has keep(rows)")


def _made_up(inputs: InputSizes) -> FeatureBatch:
    """Random features of images, with all that the data has."""
    shape = _IMAGES, _REGIONS
    return FeatureBatch(
        pooled=torch.rand(_IMAGES, inputs.pooled),
        attributes=torch.rand(_IMAGES, inputs.attributes) if inputs.attributes else None,
        regions=torch.rand(*shape, inputs.regions),
        boxes=torch.rand(*shape, 4).sort(-1).values,
        relations=torch.zeros(*shape, _REGIONS, dtype=torch.long) if inputs.relations else None,
        mask=torch.ones(shape, dtype=torch.bool),
    )
