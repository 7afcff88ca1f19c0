"""Features that others have computed, read image by image: npz, npy, TSV, HDF5, pickles of arrays.

- a folder of `<id>.npz`: regions alone, or `features`, `boxes`, `image_h`, `image_w` (X-modaler)
- a folder of `<id>.npy`: one array an image (self-critical.pytorch)
- `.tsv`: image_id, image_w, image_h, num_boxes, boxes, features, base64 (bottom-up attention)
- `.h5`, `.hdf5`: `<id>_features` and `<id>_boxes` (Meshed-Memory), or `<id>`
- `.pkl`: a dict from id to array (X-modaler)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import pickle
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gegcore.errors import DataError, MissingDependencyError
from gegcore.progress import bar
from gegcore.storage import digest

_COLUMNS = 6
_FIX = "get or compute the file again"

_ARRAYS = {".npz", ".npy"}

_PROBES, _PROBED = 1024, 4096
"""Places of features whose bytes tell them from others, and how many bytes each."""


class Stored(NamedTuple):
    """What a file has of an image.

    Attributes:
        rows: `(n, D)` of its regions, or `(D,)`, or a table.
        boxes: `(n, 4)` x0, y0, x1, y1 in pixels, where the file has them.
        size: height and width of the photograph, where the file has them.
        alone: whether nothing but `rows` is there.
    """

    rows: np.ndarray
    boxes: np.ndarray | None = None
    size: tuple[int, int] | None = None
    alone: bool = True


class FeatureFile(ABC):
    """Features of many images."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, image: int) -> Stored:
        """Of one image; DataError where there is nothing of it, or something damaged."""
        try:
            return self._read(image)
        except KeyError as error:
            what = f"{self.path} has no features of image {image}: no {self.names_of(image)}"
            fix = "give features of all images of the data set, by their ids without leading zeros"
            raise DataError(what, fix) from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, binascii.Error) as error:
            what = f"{self.path}: features of image {image} cannot be read: {error}"
            raise DataError(what, _FIX) from error

    @abstractmethod
    def _read(self, image: int) -> Stored: ...

    def names_of(self, image: int) -> str:
        """Under which names features of an image are looked for."""
        return f"{image}"

    @cached_property
    def about(self) -> list[object]:
        """What tells it from another: names, sizes, and a sample of the bytes.

        All of the content may be a hundred gigabytes. So features that are computed again are
        noticed, as nearly every byte of theirs is another, but perhaps not a few images that are
        exchanged for others of the same size. Times of modification would tell those, too, but
        every copy has new ones; a file or folder that is moved or copied is still the same.
        """
        paths = [self.path]
        if self.path.is_dir():
            paths = sorted(path for path in self.path.iterdir() if path.suffix in _ARRAYS)
        sizes = [path.stat().st_size for path in paths]
        files = digest([[path.name, size] for path, size in zip(paths, sizes, strict=True)])
        return [self.path.name, files, _sample(paths, sizes)]


def _sample(paths: list[Path], sizes: list[int]) -> str:
    """Digest of the bytes at places that lie evenly over all files, and at the end of the last."""
    state, total, ends = hashlib.sha256(), sum(sizes), np.cumsum(sizes)
    for place in np.linspace(0, total - 1, min(_PROBES, total)).round().astype(np.int64):
        which = int(np.searchsorted(ends, place, side="right"))
        last = sizes[which] - _PROBED
        with open(paths[which], "rb") as stream:
            stream.seek(max(0, min(int(place - ends[which]) + sizes[which], last)))
            state.update(stream.read(_PROBED))
    return state.hexdigest()[:16]


class ArrayFiles(FeatureFile):
    """A folder with a file per image."""

    def names_of(self, image: int) -> str:
        return f"{image}.npy or {image}.npz"

    def _read(self, image: int) -> Stored:
        packed, bare = self.path / f"{image}.npz", self.path / f"{image}.npy"
        if bare.is_file():
            return Stored(np.load(bare, allow_pickle=False))
        if not packed.is_file():
            raise KeyError(image)
        with np.load(packed, allow_pickle=False) as arrays:
            return _stored({name: arrays[name] for name in arrays.files})


class Tsv(FeatureFile):
    """Bottom-up attention's table; where lines begin is found once, which reads all of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._begins: dict[int, int] = {}
        with open(path, "rb") as stream, bar(path.stat().st_size, path.name, "B") as progress:
            at = 0
            for number, line in enumerate(stream, 1):
                name, tab, _ = line.partition(b"\t")
                if not tab or not name.strip().isdigit():
                    what = f"{path}, line {number} does not begin with an image id and a tab"
                    raise DataError(what, "give the TSV of bottom-up attention, unzipped")
                self._begins[int(name)] = at
                at += len(line)
                progress.update(len(line))

    def names_of(self, image: int) -> str:
        return f"line that begins with {image}"

    def _read(self, image: int) -> Stored:
        with open(self.path, "rb") as stream:
            stream.seek(self._begins[image])
            fields = stream.readline().split(b"\t")
        if len(fields) != _COLUMNS:
            raise ValueError(f"{len(fields)} columns, not {_COLUMNS}")
        width, height, count = (int(field) for field in fields[1:4])
        boxes, rows = (
            np.frombuffer(base64.b64decode(field, validate=False), "<f4").reshape(count, -1)
            for field in fields[4:]
        )
        return Stored(rows, boxes, (height, width), False)


class Hdf5(FeatureFile):
    """Arrays by the id of the image."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise MissingDependencyError(f"{path} is HDF5", "pip install h5py") from error
        try:
            self._file: Any = h5py.File(path, "r")
        except OSError as error:
            raise DataError(f"{path} is no whole HDF5 file: {error}", _FIX) from error

    def names_of(self, image: int) -> str:
        return f"{image} or {image}_features"

    def _read(self, image: int) -> Stored:
        if str(image) in self._file:
            return Stored(self._file[str(image)][()])
        rows = self._file[f"{image}_features"][()]
        boxes = self._file.get(f"{image}_boxes")
        return Stored(rows, None if boxes is None else boxes[()], None, boxes is None)


class Pickled(FeatureFile):
    """A dict of arrays, ids as numbers or as text. Nothing in it is run but NumPy's array maker."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with open(path, "rb") as stream:
                content = _Arrays(stream, encoding="latin1").load()
        except Exception as error:  # whatever a damaged file leads the reader to
            what = f"{path} is no pickle of arrays alone: {error}"
            raise DataError(what, "give a dict from image id to array") from error
        if not isinstance(content, dict):
            what = f"{path} holds a {type(content).__name__}"
            raise DataError(what, "give a dict from image id to array")
        self._content = {str(image): rows for image, rows in content.items()}

    def _read(self, image: int) -> Stored:
        return Stored(np.asarray(self._content[str(image)]))


class _Arrays(pickle.Unpickler):
    """Refuses everything but what arrays are made of."""

    _KNOWN = {
        (f"numpy{core}.multiarray", name)
        for core in (".core", "._core")
        for name in ("_reconstruct", "scalar")
    } | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._KNOWN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}")


def open_features(path: Path) -> FeatureFile:
    """A file or folder of features, by its ending.

    Raises:
        DataError: there is none, or it is in no known form.
        MissingDependencyError: it is HDF5, and h5py is not installed.
    """
    if not path.exists():
        raise DataError(f"there are no features at {path}", "put or link them there")
    if path.is_dir():
        return ArrayFiles(path)
    kinds: dict[str, Callable[[Path], FeatureFile]]
    kinds = {".tsv": Tsv, ".h5": Hdf5, ".hdf5": Hdf5, ".pkl": Pickled, ".pickle": Pickled}
    if path.suffix.lower() not in kinds:
        known = ", ".join(["a folder of npz or npy", *kinds])
        raise DataError(f"{path} is in no known form", f"give {known}")
    return kinds[path.suffix.lower()](path)


def _stored(arrays: Mapping[str, np.ndarray]) -> Stored:
    """What a npz says: one array under any name, or several under known ones."""
    if len(arrays) == 1:
        return Stored(next(iter(arrays.values())))
    rows = next((arrays[name] for name in ("features", "feat", "x") if name in arrays), None)
    if rows is None:
        raise ValueError(f"none of its arrays is called features: {', '.join(arrays)}")
    boxes = next((arrays[name] for name in ("boxes", "bbox") if name in arrays), None)
    size = [int(arrays[name]) for name in ("image_h", "image_w") if name in arrays]
    return Stored(rows, boxes, (size[0], size[1]) if len(size) == 2 else None, False)
