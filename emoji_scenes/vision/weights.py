"""Weights that ship with the package: one safetensors file and one JSON of provenance each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gegcore.errors import ChecksumError, MissingDependencyError
from gegcore.storage import read_json, save_safetensors, sha256_file, write_json

FOLDER = Path(__file__).resolve().parent.parent / "weights"
"""Where the package keeps its own weights."""

_RESTORE = "restore emoji_scenes/weights from the repository (git checkout) or reinstall gegcore"


class Shipped(NamedTuple):
    """Tensors by name, and the provenance stored beside them."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]


def load_shipped(name: str, folder: Path = FOLDER) -> Shipped:
    """Read `NAME.safetensors` and `NAME.json`, after checking the SHA-256 that the latter states.

    Args:
        name: e.g. "scenes_detector".
        folder: where the two files lie; the package's own by default.

    Raises:
        MissingDependencyError: one of the two files is absent.
        ChecksumError: the weights are not those that the provenance describes.
    """
    weights, provenance = _paths(name, folder)
    for path in (weights, provenance):
        if not path.is_file():
            raise MissingDependencyError(f"shipped weights {path.name} are missing", _RESTORE)
    metadata = read_json(provenance)
    stated = metadata.get("sha256") if isinstance(metadata, dict) else None
    actual = sha256_file(weights)
    if stated != actual:
        raise ChecksumError(
            f"{weights} has SHA-256 {actual[:12]}..., its provenance {provenance.name} says "
            f"{str(stated)[:12]}...",
            _RESTORE,
        )
    try:
        return Shipped(load_file(weights), metadata)
    except SafetensorError as error:
        raise ChecksumError(f"{weights} is not a safetensors file: {error}", _RESTORE) from error


def save_shipped(
    name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], folder: Path = FOLDER
) -> str:
    """Write `NAME.safetensors` and `NAME.json` (metadata plus `sha256`); returns the SHA-256.

    Each file is atomic. A crash between the two leaves a pair that `load_shipped` refuses.
    """
    weights, provenance = _paths(name, folder)
    save_safetensors(weights, tensors)
    sha256 = sha256_file(weights)
    write_json(provenance, {**metadata, "sha256": sha256})
    return sha256


def _paths(name: str, folder: Path) -> tuple[Path, Path]:
    return folder / f"{name}.safetensors", folder / f"{name}.json"
