"""Weights in files of others: read without running code from them, unwrapped, refused if broken.

Pickles are read with ``weights_only`` and a short list of types that can do no harm. A TorchScript
archive is read in the same way, its tensors alone: its code is not even parsed, while
``torch.jit.load`` would run a ``__setstate__`` in it.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import re
import types
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct, scalar
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from gegcore.errors import DataError, some

_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_HARMLESS: list[Any] = [
    *(np.ndarray, np.dtype, *(getattr(np.dtypes, name) for name in np.dtypes.__all__)),
    *((_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((PurePath, f"{of}.{kind}") for of in ("pathlib", "pathlib._local") for kind in _PATHS),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
    *(argparse.Namespace, types.SimpleNamespace, frozenset, int, float, bool, str, list, dict),
    (lambda *_: {}, "collections.defaultdict"),
]
"""What checkpoints hold beside weights: scores, options, dates, paths."""

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What wrappers around a module, or a part of it, put into its tensors' names."""


class _Module:
    """A module of a TorchScript archive: its attributes, nothing that can be called."""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file, on the CPU, under dotted names through all nested parts, and metadata.

    Safetensors, PyTorch's files and TorchScript archives are told by what they hold, not by name.

    Raises:
        DataError: no such file; it is something else, is damaged, holds no tensors, or objects
            that cannot be read without running code (the first of them is named).
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist, or is no file", "check the path of the checkpoint")
    try:
        with open(path, "rb") as stream:
            head = stream.read(512)
        if other := _other_kind(path, head):
            raise DataError(f"{path} is no checkpoint: it is {other}", "give the weights")
        if head[8:9] == b"{":
            with safe_open(path, framework="pt") as stored:
                tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
                metadata = stored.metadata() or {}
        else:
            with safe_globals(_HARMLESS):
                tensors, metadata = dict(_flat(_unpickled(path))), {}
    except DataError:
        raise
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}", "copy or download it again") from error
    except Exception as error:  # a damaged file can raise anything
        raise DataError(
            f"{path} is no checkpoint that can be read without running code from it: "
            f"{_reason(error)}",
            "save its state_dict alone, in a process that you trust: "
            "torch.save(checkpoint['model'], 'weights.pt'); copy the file again if it is damaged",
        ) from error
    if not tensors:
        raise DataError(f"{path} holds no state_dict", "give a file of named tensors")
    return tensors, metadata


def _unpickled(path: Path) -> Any:
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if not any(name.endswith("/constants.pkl") for name in names):
        return torch.load(path, map_location="cpu", weights_only=True)
    tensors_only = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tensors_only, "w") as kept:
        for name in names:
            if re.fullmatch(r"[^/]+/(data\.pkl|data/[^/]+|version|byteorder)", name):
                kept.writestr(name, archive.read(name))
    tensors_only.seek(0)
    classes = get_unsafe_globals_in_checkpoint(tensors_only)
    stand_ins: list[Any] = [
        (type(name, (_Module,), {}), name) for name in classes if name.startswith("__torch__.")
    ]
    tensors_only.seek(0)
    with safe_globals(stand_ins):
        return torch.load(tensors_only, map_location="cpu", weights_only=True)


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Tensor]]:
    parts = vars(value) if isinstance(value, _Module) else value
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        if isinstance(part, Tensor):
            yield f"{prefix}{name}", part.detach()
        yield from _flat(part, f"{prefix}{name}.")


def _other_kind(path: Path, head: bytes) -> str:
    """What a file is that cannot hold weights, if its first bytes tell."""
    if head.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            return "cut off (copy or download it again)"
        names = zipfile.ZipFile(path).namelist()
        return "" if any(n.endswith("data.pkl") for n in names) else "another kind of zip archive"
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS (git lfs pull fetches the file)"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    binary = head.startswith(b"\x80") or re.search(rb"[\0-\x08\x0e-\x1a]", head)
    return "" if binary else "a text file" if head else "empty"


def _reason(error: Exception) -> str:
    """What an error says, without terminal codes; of torch's long advice only the culprit."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    text = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    if culprit := re.search(r"GLOBAL (\S+)|but got (<.*?>)|unrecognized function (<.*?>)", text):
        return f"it holds {next(filter(None, culprit.groups()))}, which is not known to be harmless"
    if "Unsupported operand" in text:
        return "it is damaged, or pickled with a protocol above 2"
    text = text.partition("WeightsUnpickler error: ")[2] or text or type(error).__name__
    return text.partition(" Check the documentation")[0][:300]


def unwrap(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    wanted: Collection[str],
    ignored: Iterable[str] = (),
) -> dict[str, Tensor]:
    """The weights among `tensors`, by the names `wanted`, floating ones in float32.

    Training code stores them under keys of its own ("model", "state_dict", ...) and wraps modules
    ("module.", "_orig_mod."): what goes before most of the wanted names is left out, with all that
    does not stand there. Names that `ignored` ends are no weights.

    Raises:
        DataError: two parts of the file fit alike and differ; a tensor with NaN or Inf.
    """
    drop = _WRAPPERS - {segment for name in wanted for segment in name.split(".")}
    named = {".".join(s for s in key.split(".") if s not in drop): t for key, t in tensors.items()}
    named = named if len(named) == len(tensors) else dict(tensors)
    fits = collections.Counter(
        name[:cut]
        for name in named
        for cut in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if name[cut:] in wanted
    )
    best = [prefix for prefix in fits if fits[prefix] == max(fits.values())] or [""]
    found, *others = (
        {k[len(prefix) :]: t for k, t in named.items() if k.startswith(prefix)} for prefix in best
    )
    if not all(_equal(other, found) for other in others):
        keys = [prefix.rstrip(".") or "the top level" for prefix in best]
        raise DataError(
            f"{path} holds {len(keys)} sets of weights that fit: {', '.join(keys)}",
            "save the one you mean alone: torch.save(checkpoint['model'], 'weights.pt')",
        )
    ends = tuple(f".{name}" for name in ignored)
    found = {k: t for k, t in found.items() if not f".{k}".endswith(ends)}
    return as_float32(path, found)


def _equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a
    )


def as_float32(path: Path | str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating tensors in float32, others as they are; DataError if one holds NaN or Inf."""
    ready = {key: t.float() if t.is_floating_point() else t for key, t in tensors.items()}
    broken = [k for k, t in ready.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise DataError(
            f"{path} holds NaN or infinite values in {some(broken)}",
            "take a checkpoint from before training broke down, or one stored in a wider format",
        )
    return ready


def misfit(
    found: Mapping[str, torch.Size],
    expected: Mapping[str, torch.Size | None],
    unreadable: str = "",
    shown: int | None = None,
) -> str:
    """All names that are missing, unknown or of a wrong shape; expected None: any shape."""
    wrong = [
        f"{key} is {_size(found[key])}, not {_size(shape)}"
        for key, shape in expected.items()
        if shape is not None and key in found and found[key] != shape
    ]
    if unreadable in found:
        wrong.append(f"{unreadable} is {_size(found[unreadable])}")
    lists = {
        "missing": sorted(expected.keys() - found.keys()),
        "unknown": sorted(found.keys() - expected.keys()),
        "of a wrong shape": wrong,
    }
    return "".join(f"\n  {title}: {some(names, shown)}" for title, names in lists.items() if names)


def _size(shape: torch.Size) -> str:
    return " x ".join(map(str, shape)) or "a single number"
