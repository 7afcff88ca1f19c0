"""Loads checkpoints: X-modaler's, whose tensors have other names and are split otherwise, and ours.

Every model's module says by ``xmodaler_keys`` where its tensors are in X-modaler's state_dict, and
reads by ``xmodaler_sizes`` how large the model is. A checkpoint never runs code: pickles are read
with ``weights_only``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gegcore.data.features import InputSizes
from gegcore.errors import DataError
from gegcore.models.captioner import Captioner
from gegcore.models.registry import ARCHITECTURES, architecture, bad_settings, canonical

COMPUTED = frozenset({"token_embed.embeddings_pos.pe"})
"""X-modaler stores these buffers, but they are computed, not learned."""

_DEEP = 64  # layers; when reading names, as good as any number of them
_SHOWN = 12  # names of other things than tensors in an error; the rest is counted


class _Layout(Protocol):
    def xmodaler_keys(self, config: Any) -> dict[str, tuple[str, ...]]: ...

    def xmodaler_sizes(
        self, shapes: Mapping[str, torch.Size], **overrides: Any
    ) -> tuple[int, InputSizes, Any]: ...


@dataclass(frozen=True)
class Checkpoint:
    """A captioner with stored weights, and what it was built from."""

    captioner: Captioner
    vocab_size: int
    inputs: InputSizes
    config: BaseModel


class _Shapes(dict[str, torch.Size]):
    """Remembers which tensor was asked for last: the one that a size could not be read from."""

    last = ""

    def __getitem__(self, key: str) -> torch.Size:
        self.last = key
        return super().__getitem__(key)


def load_xmodaler(path: Path | str, model: str, **overrides: Any) -> Captioner:
    """The captioner that a checkpoint holds, in evaluation mode, in float32.

    Arguments and errors are those of :func:`read_xmodaler`.
    """
    return read_xmodaler(path, model, **overrides).captioner


def read_xmodaler(path: Path | str, model: str, **overrides: Any) -> Checkpoint:
    """Build the captioner that a checkpoint holds; its sizes are read from the tensors' shapes.

    Args:
        path: a state_dict of X-modaler, bare or under the key ``"model"`` or ``"state_dict"``, as a
            PyTorch file or safetensors; or a safetensors file that `gegcore run` wrote.
        model: a key of ``ARCHITECTURES``.
        overrides: fields of the model's config. What shapes do not tell (``heads`` of the
            Transformers, ``celu_alpha`` of X-LAN) is the published value unless given here.

    Raises:
        ConfigError: an unknown model or field, or a value out of range.
        DataError: no such file; one that cannot be read without running code; a tensor that is
            missing, unknown or of a wrong shape (all of them are listed).
    """
    model = canonical(model)
    build: Any = architecture(model)
    tensors, ours = _read(Path(path), model)
    found = _Shapes({key: tensor.shape for key, tensor in tensors.items()})
    shapes = _Shapes(_their_shapes(model, found)) if ours else found
    try:
        vocab_size, inputs, config = _layout(model).xmodaler_sizes(shapes, **overrides)
    except ValidationError as error:
        raise bad_settings(model, error) from error
    except (LookupError, ValueError) as error:  # a tensor is missing or has too few dimensions
        keys = _layout(model).xmodaler_keys(build.Config())
        expected = dict.fromkeys(key for group in keys.values() for key in group)
        raise _misfit(path, model, shapes, expected, unreadable=shapes.last) from error
    captioner = build(vocab_size, inputs, config)
    wanted = {key: tensor.shape for key, tensor in captioner.state_dict().items()}
    if not ours:
        tensors = _join(path, model, tensors, _layout(model).xmodaler_keys(config), wanted)
    elif wanted != found:
        raise _misfit(path, model, found, wanted)
    captioner.load_state_dict(tensors)
    return Checkpoint(captioner.eval(), vocab_size, inputs, config)


def _layout(model: str) -> _Layout:
    return cast(_Layout, sys.modules[ARCHITECTURES[model].__module__])


def _read(path: Path, model: str) -> tuple[dict[str, Tensor], bool]:
    """Float32 tensors of a checkpoint, and whether it is one of ours (else X-modaler's)."""
    if not path.is_file():
        raise DataError(f"{path} does not exist", "check the path of the checkpoint")
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {key: stored.get_tensor(key).float() for key in stored.keys()}  # noqa: SIM118
            written_for = (stored.metadata() or {}).get("model")
    except SafetensorError:
        return _read_pickle(path), False
    if written_for is None:
        return _cleaned(tensors), False
    if written_for != model:
        raise DataError(
            f"{path} holds a model {written_for!r}, not {model!r}", f"load it as {written_for!r}"
        )
    return tensors, True


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "truncated"
        raise DataError(
            f"{path} is no checkpoint that can be read without running code from it: {reason}",
            "save its state_dict alone, in a process that you trust: "
            "torch.save(checkpoint['model'], 'weights.pt')",
        ) from error
    for part in ("model", "state_dict"):
        if isinstance(stored, Mapping) and isinstance(stored.get(part), Mapping):
            stored = stored[part]
    if not isinstance(stored, Mapping) or not stored:
        raise DataError(f"{path} holds no state_dict", "give a checkpoint of X-modaler")
    odd = [key for key, value in stored.items() if not isinstance(value, Tensor)]
    if odd:
        raise DataError(
            f"{path} is no state_dict: {_some(map(str, odd))} are no tensors",
            "give a checkpoint of X-modaler, or its part under 'model'",
        )
    return _cleaned({str(key): value.float() for key, value in stored.items()})


def _cleaned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefix of DistributedDataParallel and without computed buffers."""
    named = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    return {key: tensor for key, tensor in named.items() if key not in COMPUTED}


def _join(
    path: Path | str,
    model: str,
    theirs: Mapping[str, Tensor],
    keys: Mapping[str, tuple[str, ...]],
    wanted: Mapping[str, torch.Size],
) -> dict[str, Tensor]:
    """Our tensors, of X-modaler's.

    Raises:
        DataError: they do not fit.
    """
    expected: dict[str, torch.Size] = {}
    for ours, group in keys.items():
        first, *rest = wanted[ours]  # the parts of a fused tensor are equally large
        expected |= dict.fromkeys(group, torch.Size((first // len(group), *rest)))
    found = {key: tensor.shape for key, tensor in theirs.items()}
    if found != expected:
        raise _misfit(path, model, found, expected)
    return {ours: torch.cat([theirs[key] for key in group]) for ours, group in keys.items()}


def _their_shapes(model: str, shapes: Mapping[str, torch.Size]) -> dict[str, torch.Size]:
    """The shapes that X-modaler's tensors would have, of those of ours."""
    config = architecture(model).Config
    depth = {field: _DEEP for field in config.model_fields if field.endswith("_layers")}
    theirs: dict[str, torch.Size] = {}
    for ours, group in _layout(model).xmodaler_keys(config(**depth)).items():
        if ours in shapes:
            first, *rest = shapes[ours]
            theirs |= dict.fromkeys(group, torch.Size((first // len(group), *rest)))
    return theirs


def _misfit(
    path: Path | str,
    model: str,
    found: Mapping[str, torch.Size],
    expected: Mapping[str, torch.Size | None],
    unreadable: str = "",
) -> DataError:
    """All that is missing, unknown or of a wrong shape; expected None: any shape."""
    missing = sorted(expected.keys() - found.keys())
    unknown = sorted(found.keys() - expected.keys())
    wrong = [
        f"{key} is {_size(found[key])}, not {_size(shape)}"
        for key, shape in expected.items()
        if shape is not None and key in found and found[key] != shape
    ]
    if unreadable in found:
        wrong.append(f"{unreadable} is {_size(found[unreadable])}")
    lists = {"missing": missing, "unknown": unknown, "of a wrong shape": wrong}
    said = "".join(f"\n  {title}: {', '.join(names)}" for title, names in lists.items() if names)
    fits = [name for name in ARCHITECTURES if _fits(name, found)]
    return DataError(
        f"{path} does not fit model {model!r}:{said}",
        f"it has the tensors of {' or '.join(map(repr, fits))}: load it as that"
        if fits
        else "check the name of the model, and give the settings that differ from the published "
        "ones",
    )


def _fits(name: str, shapes: Mapping[str, torch.Size]) -> bool:
    """Whether these are the names of the tensors of that model."""
    try:
        config: BaseModel = _layout(name).xmodaler_sizes(shapes)[2]
    except (LookupError, ValueError):
        return False
    keys = _layout(name).xmodaler_keys(config)
    return {key for group in keys.values() for key in group} == shapes.keys()


def _size(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _some(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return ", ".join(first[:_SHOWN]) + more
