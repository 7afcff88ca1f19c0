"""Arrays in a folder behind one manifest: shapes, types, checksums, what they are made from."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore.errors import ChecksumError, DataError, StorageError, writing
from gegcore.storage import digest, need_room, read_json, sha256_file, write_json

MANIFEST = "manifest.json"

_ABANDONED_S = 3600.0  # a half-written folder untouched for so long: its process was killed


@dataclass(frozen=True)
class ArrayFolder:
    """A folder that `new_array_folder` made: memory-mapped arrays, read on demand.

    Attributes:
        key: what the arrays were made from, as JSON.
        arrays: name -> array; pages that are written to are copied, the files stay as they are.
        checksums: name -> SHA-256 of the file.
    """

    key: Any
    arrays: dict[str, np.memmap]
    checksums: dict[str, str]

    @classmethod
    def open(
        cls, directory: Path | str, names: tuple[str, ...], what: str, verify: bool = True
    ) -> ArrayFolder:
        """Map the arrays in a folder.

        Args:
            names: of those that must be there.
            what: they are, for error messages ("similar groups").
            verify: compare every file with its checksum (about 1 GB/s).

        Raises:
            DataError: nothing, or something else, is stored there.
            ChecksumError: an array is missing or is not the one that the manifest describes.
        """
        directory, arrays = Path(directory), {}
        manifest = read_json(directory / MANIFEST)
        fix = f"delete {directory} and compute the {what} again"
        try:
            key = manifest["key"]
            checksums = {name: entry["sha256"] for name, entry in manifest["arrays"].items()}
            if not checksums.keys() >= set(names):
                raise KeyError(names)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{directory / MANIFEST} is no manifest of {what}", fix) from error
        for name, checksum in checksums.items():
            path = directory / f"{name}.npy"
            if not path.is_file() or (verify and sha256_file(path) != checksum):
                raise ChecksumError(f"{path} is missing or not what {MANIFEST} says", fix)
            try:
                arrays[name] = np.load(path, mmap_mode="c", allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise ChecksumError(f"{path} is damaged: {error}", fix) from error
        return cls(key, arrays, checksums)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The same as tensors, on the same pages."""
        return {name: torch.from_numpy(array) for name, array in self.arrays.items()}

    @property
    def digest(self) -> str:
        """Of the content: equal digests, equal arrays."""
        return digest(self.checksums)


@contextmanager
def new_array_folder(directory: Path | str, key: Any) -> Iterator[Path]:
    """An empty folder for `.npy` files: `directory` becomes it, with a manifest, or stays as is.

    StorageError where it cannot be written.
    """
    directory = Path(directory)
    with writing(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    for leftover in directory.parent.glob(f".{directory.name}.*"):
        if leftover.is_dir() and time.time() - leftover.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(leftover, ignore_errors=True)
    replaced = temporary.with_name(f"{temporary.name}.old")
    try:
        temporary.chmod(0o755)
        yield temporary
        write_json(temporary / MANIFEST, {"key": key, "arrays": _described(temporary)})
        with writing(directory), suppress(FileNotFoundError):
            directory.rename(replaced)
        try:
            with writing(directory):
                temporary.rename(directory)
        except OSError:
            if not (directory / MANIFEST).is_file():  # else another process was faster
                with suppress(OSError):
                    replaced.rename(directory)  # what was there stays
                raise
    except StorageError as error:  # A file is named by the folder that it was made for.
        what = error.what.replace(temporary.name, directory.name)
        raise StorageError(what, error.fix) from error
    finally:
        for folder in (temporary, replaced):
            shutil.rmtree(folder, ignore_errors=True)


def save_arrays(directory: Path | str, arrays: Mapping[str, Tensor], key: Any) -> None:
    """Write one `.npy` per tensor, and what they were made from, as JSON."""
    with new_array_folder(directory, key) as folder:
        need_room(folder, sum(tensor.nbytes for tensor in arrays.values()), "arrays")
        for name, tensor in arrays.items():
            append_rows(folder / f"{name}.npy", tensor.cpu().numpy(), len(tensor))


def append_rows(path: Path, rows: np.ndarray, total: int) -> None:
    """Add rows `(B, ...)` to a `.npy` file that is to have `total`; the first call makes it.

    StorageError where the disk is full: a memory map of the file would end the process (SIGBUS).
    """
    with writing(path), open(path, "ab") as stream:
        if stream.tell() == 0:
            about = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(rows))
            about["shape"] = (total, *rows.shape[1:])
            np.lib.format.write_array_header_1_0(stream, about)
        stream.write(np.ascontiguousarray(rows).data)


def stored_arrays(
    directory: Path | str, names: tuple[str, ...], what: str, key: Any
) -> ArrayFolder | None:
    """The arrays in a folder, if they are whole and made from what this key says, else None."""
    with suppress(DataError, ChecksumError, KeyError, TypeError):
        # Compared as JSON, before gigabytes are read to be verified.
        if read_json(Path(directory) / MANIFEST)["key"] == json.loads(json.dumps(key)):
            return ArrayFolder.open(directory, names, what)
    return None


def _described(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest's entry of every array in a folder."""
    described = {}
    for path in sorted(folder.glob("*.npy")):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        about = {"shape": list(array.shape), "dtype": str(array.dtype)}
        described[path.stem] = {**about, "sha256": sha256_file(path)}
    return described
