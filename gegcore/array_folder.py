"""Arrays in a folder behind one manifest: shapes, types, checksums, and what they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore.errors import ChecksumError, DataError
from gegcore.storage import read_json, save_array, sha256_file, write_json

MANIFEST = "manifest.json"


def save_arrays(
    directory: Path | str, arrays: Mapping[str, Tensor], source: Mapping[str, Any] | None
) -> None:
    """Write one `.npy` per tensor and, last of all, the manifest: a folder with one is complete.

    Args:
        directory: made if it is missing; a manifest in it is removed first.
        arrays: name -> tensor.
        source: what the arrays follow from, as JSON.
    """
    directory = Path(directory)
    (directory / MANIFEST).unlink(missing_ok=True)
    files: dict[str, Any] = {}
    for name, tensor in arrays.items():
        array, path = tensor.cpu().numpy(), directory / f"{name}.npy"
        save_array(path, array)
        shape, dtype = list(array.shape), str(array.dtype)
        files[name] = {"shape": shape, "dtype": dtype, "sha256": sha256_file(path)}
    source = None if source is None else dict(source)
    write_json(directory / MANIFEST, {"source": source, "arrays": files})


def load_arrays(
    directory: Path | str, names: Sequence[str], what: str, verify: bool = True
) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Memory-map what `save_arrays` wrote: pages are read on demand.

    Args:
        directory: of the manifest.
        names: of the arrays wanted.
        what: they are, for error messages ("similar groups").
        verify: compare every file with its checksum.

    Returns: tensors by name, and their source.

    Raises:
        DataError: nothing, or something else, is stored there.
        ChecksumError: an array is missing or is not the one that the manifest describes.
    """
    directory = Path(directory)
    manifest = read_json(directory / MANIFEST)
    try:
        source = manifest["source"]
        checksums = {name: manifest["arrays"][name]["sha256"] for name in names}
    except (KeyError, TypeError) as error:
        raise DataError(f"{directory} holds no {what}", "compute them again") from error
    tensors = {}
    for name in names:
        path = directory / f"{name}.npy"
        if not path.is_file() or (verify and sha256_file(path) != checksums[name]):
            raise ChecksumError(
                f"{path} is missing or not what {MANIFEST} says",
                f"delete {directory} and compute the {what} again",
            )
        # Copy-on-write: torch wants a writable array, the file stays as it is.
        tensors[name] = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
    return tensors, source


def stored_source(directory: Path | str) -> Any:
    """The source that a folder's manifest names, None if there is no such folder."""
    path = Path(directory) / MANIFEST
    if not path.is_file():
        return None
    manifest = read_json(path)
    return manifest.get("source") if isinstance(manifest, dict) else None
