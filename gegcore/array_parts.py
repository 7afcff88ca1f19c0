"""Rows of large arrays in parts: each is made once, by one process or several, and kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gegcore.array_folder import MANIFEST, ArrayFolder, new_array_folder, stored_arrays
from gegcore.errors import ChecksumError
from gegcore.storage import digest

PART = 4096
"""Rows of a part; arrays of fewer are in one folder without parts."""

_ROWS = "rows"  # in the key of a part: its first row, the one after its last, their total


@dataclass(frozen=True)
class ArrayParts:
    """Arrays `(N, ...)` in one `ArrayFolder`, or in several one after another: memory-mapped."""

    folders: tuple[ArrayFolder, ...]
    key: Any

    @classmethod
    def open(
        cls, directory: Path | str, names: tuple[str, ...], what: str, verify: bool = True
    ) -> ArrayParts:
        """Map what `write_parts` wrote; arguments and errors are those of `ArrayFolder.open`.

        ChecksumError where a part is missing, or is of other arrays.
        """
        directory = Path(directory)
        places = [place.parent for place in sorted(directory.glob(f"[0-9]*/{MANIFEST}"))]
        if (directory / MANIFEST).is_file() or not places:
            places = [directory]
        return cls._of([ArrayFolder.open(place, names, what, verify) for place in places])

    @classmethod
    def _of(cls, folders: list[ArrayFolder]) -> ArrayParts:
        """Parts as they follow each other; one without rows in its key is all there is."""
        if len(folders) == 1 and _ROWS not in (folders[0].key or {}):
            return cls(tuple(folders), folders[0].key)
        folders = sorted(folders, key=lambda folder: int(folder.key[_ROWS][0]))
        rows = [folder.key[_ROWS] for folder in folders]
        keys = [{k: v for k, v in folder.key.items() if k != _ROWS} for folder in folders]
        begins = [0, *(stop for _, stop, _ in rows)]
        if begins != [*(start for start, _, _ in rows), rows[0][2]] or keys != keys[:1] * len(keys):
            had = ", ".join(f"{start}-{stop}" for start, stop, _ in rows)
            what = f"of {rows[0][2]} rows only parts are there, or parts of others: {had}"
            raise ChecksumError(what, "run the same command again: it makes what is missing")
        return cls(tuple(folders), keys[0])

    def __len__(self) -> int:
        return sum(self._lengths)

    @cached_property
    def _lengths(self) -> list[int]:
        return [len(next(iter(folder.arrays.values()))) for folder in self.folders]

    @property
    def names(self) -> list[str]:
        return list(self.folders[0].arrays)

    @property
    def digest(self) -> str:
        """Of the content: equal digests, equal arrays."""
        if len(self.folders) == 1:
            return self.folders[0].digest
        return digest([folder.digest for folder in self.folders])

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a row."""
        return tuple(self.folders[0].arrays[name].shape[1:])

    def rows(self, name: str, index: np.ndarray) -> np.ndarray:
        """A copy of the rows `(B,)` of an array."""
        if len(self.folders) == 1:
            return self.folders[0].arrays[name][index]
        part, row = np.divmod(index, self._lengths[0])
        first = self.folders[0].arrays[name]
        found = np.empty((len(index), *first.shape[1:]), first.dtype)
        for number in np.unique(part):
            chosen = part == number
            found[chosen] = self.folders[number].arrays[name][row[chosen]]
        return found

    def whole(self, name: str) -> np.ndarray:
        """An array, all of it: mapped where it is in one part, else in memory."""
        parts = [folder.arrays[name] for folder in self.folders]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def write_parts(
    directory: Path | str,
    names: tuple[str, ...],
    what: str,
    key: dict[str, Any],
    total: int,
    fill: Callable[[Path, int, int], None],
    share: tuple[int, int] = (0, 1),
    size: int | None = None,
) -> ArrayParts | None:
    """Make the parts that are not there, whole and of this key; what is interrupted goes on there.

    Args:
        names: of arrays that each part has.
        what: they are, for error messages.
        key: what they are made from, as JSON.
        fill: `(folder, start, stop)`: writes the `.npy` files of these rows (see `append_rows`).
        share: (i, n): of n processes this is number i, and makes every n-th part.
        size: rows of a part; default: `PART`.

    Returns: all of it; None where other processes have a share.
    """
    directory, size = Path(directory), size or PART
    split = total > size
    if split and share[0] == 0:
        _clear(directory, range(0, total, size))
    folders = []
    for number, start in enumerate(range(0, total, size)):
        stop = min(start + size, total)
        place = directory / f"{start:08d}" if split else directory
        about = {**key, _ROWS: [start, stop, total]} if split else key
        if number % share[1] != share[0]:
            continue
        found = stored_arrays(place, names, what, about)
        if found is None:
            with new_array_folder(place, about) as folder:
                fill(folder, start, stop)
            found = ArrayFolder.open(place, names, what, verify=False)
        folders.append(found)
    return ArrayParts._of(folders) if share[1] == 1 else None


def _clear(directory: Path, starts: range) -> None:
    """Remove what other numbers of rows have left: one whole folder, or further parts."""
    # File by file: other processes may be writing their parts into the same folder.
    for path in (directory / MANIFEST, *directory.glob("*.npy")):
        path.unlink(missing_ok=True)
    for place in directory.glob(f"[0-9]*/{MANIFEST}"):
        if int(place.parent.name) not in starts:
            shutil.rmtree(place.parent, ignore_errors=True)
