"""Loads checkpoints: X-modaler's, whose tensors have other names and are split otherwise, and ours.

A checkpoint never runs code: see `gegcore.weights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from gegcore.data.features import InputSizes
from gegcore.errors import ConfigError, DataError
from gegcore.interop.layouts import Shapes, layout_of, layouts
from gegcore.models.captioner import Captioner
from gegcore.models.registry import architecture, canonical, resolve_config
from gegcore.weights import as_float32, misfit, read_tensors, unwrap

COMPUTED = frozenset({"token_embed.embeddings_pos.pe"})
"""X-modaler stores these buffers, but they are computed, not learned."""


@dataclass(frozen=True)
class Checkpoint:
    """A captioner with stored weights, and what it was built from."""

    captioner: Captioner
    inputs: InputSizes
    config: BaseModel


def load_xmodaler(path: Path | str, model: str, **overrides: Any) -> Captioner:
    """The captioner that a checkpoint holds, in evaluation mode, in float32.

    Arguments and errors are those of :func:`read_xmodaler`.
    """
    return read_xmodaler(path, model, **overrides).captioner


def read_xmodaler(path: Path | str, model: str, **overrides: Any) -> Checkpoint:
    """Build the captioner that a checkpoint holds; its sizes are read from the tensors' shapes.

    Args:
        path: a state_dict of X-modaler, bare or within whatever wraps it (``"model"``,
            ``"module."``, ...), as a PyTorch file or safetensors; or a safetensors file that
            `gegcore run` wrote.
        model: a captioner that X-modaler has, by its name in ``ARCHITECTURES``.
        overrides: fields of the model's config. What shapes do not tell (``heads`` of the
            Transformers, ``celu_alpha`` of X-LAN) is the published value unless given here.

    Raises:
        ConfigError: an unknown model or field, one that X-modaler does not have, or a value out of
            range.
        DataError: no such file; one that cannot be read without running code; two sets of weights
            in it; a tensor with NaN or Inf; one that is missing, unknown or of a wrong shape (all
            of them are listed).
    """
    model = canonical(model)
    build: Any = architecture(model)
    layout = layout_of(model)
    tensors, ours = _read(Path(path), model)
    found = _shapes(tensors)
    theirs = layout.their_shapes(found) if ours else found
    try:
        vocab_size, inputs, config = _sizes(model, theirs, overrides)
    except KeyError as error:
        expected = dict.fromkeys(_names(model, InputSizes(1, 1, 1, 1), build.Config()))
        raise _misfit(path, model, theirs, expected, unreadable=error.args[0]) from error
    captioner = build(vocab_size, inputs, config)
    wanted = _shapes(captioner.state_dict())
    fitting = wanted if ours else layout.their_shapes(wanted)
    if found != fitting:
        raise _misfit(path, model, found, fitting)
    if not ours:
        tensors = {key: torch.cat([tensors[part] for part in layout.theirs(key)]) for key in wanted}
    captioner.load_state_dict(tensors)
    return Checkpoint(captioner.eval(), inputs, config)


def _sizes(
    model: str, shapes: Shapes, overrides: Mapping[str, Any]
) -> tuple[int, InputSizes, BaseModel]:
    """Vocabulary size, inputs and config; the overrides win over what the shapes tell."""
    read = layout_of(model).read_sizes(shapes)
    vocab_size = read.pop("vocab_size")
    inputs = InputSizes(**{field.name: read.pop(field.name, 0) for field in fields(InputSizes)})
    return vocab_size, inputs, resolve_config(model, **(read | dict(overrides)))


def _names(model: str, inputs: InputSizes, config: BaseModel) -> Iterable[str]:
    """X-modaler's names of all tensors of a captioner."""
    build: Any = architecture(model)
    with torch.device("meta"):
        ours = _shapes(build(1, inputs, config).state_dict())
    return layout_of(model).their_shapes(ours)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in tensors.items()}


def _read(path: Path, model: str) -> tuple[dict[str, Tensor], bool]:
    """Float32 tensors of a checkpoint, and whether it is one of ours (else X-modaler's)."""
    tensors, metadata = read_tensors(path)
    written_for = metadata.get("model")
    if written_for is None:
        build: Any = architecture(model)
        names = set(_names(model, InputSizes(1, 1, 1, 1), build.Config()))
        return unwrap(path, tensors, names, COMPUTED), False
    if written_for != model:
        raise DataError(
            f"{path} holds a model {written_for!r}, not {model!r}", f"load it as {written_for!r}"
        )
    return as_float32(path, tensors), True


def _misfit(
    path: Path | str,
    model: str,
    found: Shapes,
    expected: Mapping[str, torch.Size | None],
    unreadable: str = "",
) -> DataError:
    """As `misfit`, with what to do."""
    fits = [name for name in layouts() if _fits(name, found)]
    return DataError(
        f"{path} does not fit model {model!r}:{misfit(found, expected, unreadable)}",
        f"it has the tensors of {' or '.join(map(repr, fits))}: load it as that"
        if fits
        else "check the name of the model, and give the settings that differ from the published "
        "ones",
    )


def _fits(model: str, shapes: Shapes) -> bool:
    """Whether these are the names of the tensors of that model."""
    try:
        _, inputs, config = _sizes(model, shapes, {})
        return shapes.keys() == set(_names(model, inputs, config))
    except (KeyError, ValueError, ConfigError):
        return False
