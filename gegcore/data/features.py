"""Image features, computed once and read many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gegcore.array_folder import append_rows
from gegcore.array_parts import ArrayParts, write_parts
from gegcore.code_digest import code_digest, modules_of
from gegcore.data.attributes import WordClassifier
from gegcore.data.dataset import CaptionDataset, pictures_key
from gegcore.errors import DataError
from gegcore.progress import bar
from gegcore.storage import need_room

_STORED = {
    "pooled": "float16",
    "attributes": "float16",
    "regions": "float16",
    "boxes": "float32",
    "relations": "int16",
    "mask": "bool",
}
"""How each array of a batch is kept on disk; half precision halves the reading."""

_WHAT = "features"
_NEEDED = ("image_ids", "pooled", "regions", "boxes", "mask")

_TYPES = {"f": torch.float32, "i": torch.int64, "u": torch.int64, "b": torch.bool}
"""Kind of a stored array -> type of what is read from it."""


@dataclass(frozen=True)
class FeatureBatch:
    """What captioners see of B images.

    Attributes:
        pooled: `(B, Dg)` whole-picture features.
        attributes: `(B, A)` word probabilities of a multi-label classifier, or None.
        regions: `(B, N, Dr)`; rows beyond an image's own regions are zero.
        boxes: `(B, N, 4)` x0, y0, x1, y1 as fractions of width and height.
        relations: `(B, N, N)` integer labels (0: no edge), or None.
        mask: `(B, N)` bool, True for regions that exist.
    """

    pooled: Tensor
    attributes: Tensor | None
    regions: Tensor
    boxes: Tensor
    relations: Tensor | None
    mask: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    def to(self, device: torch.device | str) -> FeatureBatch:
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def select(self, indices: Tensor | Sequence[int]) -> FeatureBatch:
        """The images at `indices` (repetition allowed), in that order."""
        index = torch.as_tensor(indices, dtype=torch.long, device=self.mask.device)
        return self._map(lambda tensor: tensor[index])

    def _map(self, change: Callable[[Tensor], Tensor]) -> FeatureBatch:
        there = {name: change(value) for name, value in vars(self).items() if value is not None}
        return replace(self, **there)


@dataclass(frozen=True)
class InputSizes:
    """How wide a captioner's inputs are; 0: the data set does not have them.

    Attributes:
        regions: Dr, of a region feature.
        pooled: Dg, of the whole picture's feature.
        attributes: A, words of the attribute classifier.
        relations: labels between regions, 0 (no edge) included.
    """

    regions: int
    pooled: int = 0
    attributes: int = 0
    relations: int = 0


class FeatureStore:
    """Features of one split, memory-mapped: open costs nothing, `batch` reads what it needs.

    There is an array of the `image_ids` and one per field of `FeatureBatch` that the data has.

    Attributes:
        key: what the features were made from.
        image_ids: image of each row.
        words: tells the attributes where none are stored.
    """

    def __init__(self, arrays: ArrayParts, words: WordClassifier | None = None) -> None:
        self.key, self._arrays, self.words = arrays.key, arrays, words
        self.image_ids: list[int] = arrays.whole("image_ids").tolist()

    @classmethod
    def open(cls, directory: Path | str, verify: bool = True) -> FeatureStore:
        """Map the features that `write_features` stored; errors are those of `ArrayParts.open`."""
        return cls(ArrayParts.open(directory, _NEEDED, _WHAT, verify))

    def with_words(self, words: WordClassifier) -> FeatureStore:
        """The same, with the attributes that this classifier finds in the pooled features."""
        return FeatureStore(self._arrays, words)

    def __len__(self) -> int:
        return len(self.image_ids)

    @cached_property
    def digest(self) -> str:
        """Of the features themselves: equal digests, equal arrays."""
        found = self._arrays.digest
        return f"{found}-{self.words.digest}" if self.words else found

    def width(self, field: str) -> int:
        """Length of the last axis of one array: `width("regions")` is Dr; 0 if it is absent."""
        if field == "attributes" and self.words:
            return len(self.words.words)
        return self._arrays.shape(field)[-1] if field in self._arrays.names else 0

    @cached_property
    def sizes(self) -> InputSizes:
        """What a captioner must know to be built for these features."""
        widths = {name: self.width(name) for name in ("regions", "pooled", "attributes")}
        there = "relations" in self._arrays.names
        labels = self.key["extractor"]["relation_labels"] if there else 0
        return InputSizes(**widths, relations=labels)

    def all(self, field: str) -> np.ndarray:
        """One array as it is stored, of all images."""
        return self._arrays.whole(field)

    def batch(self, indices: Sequence[int] | np.ndarray) -> FeatureBatch:
        """Features of the images at `indices`: float32, relations int64, mask bool.

        DataError where an index is outside the split.
        """
        index = np.asarray(indices, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= len(self)):
            what = f"image index outside 0..{len(self) - 1}: {index.min()}..{index.max()}"
            fix = "features and captions belong to different splits: prepare both again"
            raise DataError(what, fix)
        there: dict[str, Any] = {"attributes": None, "relations": None}
        for name in self._arrays.names:
            if name in _STORED:
                rows = self._arrays.rows(name, index)
                there[name] = torch.from_numpy(rows).to(_TYPES[rows.dtype.kind])
        if self.words:
            there["attributes"] = self.words(there["pooled"])
        return FeatureBatch(**there)


class ExtractorProtocol(Protocol):
    """Whatever turns pictures into features: `name` and `digest` identify it and its weights."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def relation_labels(self) -> int:
        """Labels between regions, 0 (no edge) included; 0 of an extractor without relations."""

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        """Features of uint8 RGB pictures `(B, H, W, 3)`.

        An extractor that needs more than such squares has `of(dataset, rows)` as well, which is
        called in its place.
        """


def features_of(
    extractor: ExtractorProtocol, dataset: CaptionDataset, rows: Sequence[int]
) -> FeatureBatch:
    """Features of the images at positions of a data set."""
    of: Callable[[CaptionDataset, Sequence[int]], FeatureBatch] | None
    of = getattr(extractor, "of", None)
    return of(dataset, rows) if of else extractor(dataset.images(rows))


def write_features(
    dataset: CaptionDataset,
    extractor: ExtractorProtocol,
    directory: Path | str,
    batch: int = 64,
    part: int | None = None,
) -> FeatureStore:
    """Compute the features of a split, or open those that are stored and current.

    Current means: whole, of the same pictures (`pictures_key`), the same extractor (name and
    digest) and the same code of both. What is interrupted goes on with the next part.

    Args:
        directory: replaced if it holds features of something else, or damaged ones.
        batch: images per call of the extractor.
        part: images of a part on disk (see `write_parts`).

    Raises:
        DataError: the split is empty, a relation has a label beyond those of the extractor, or its
            arrays have other sizes in one batch than in another.
        StorageError: the disk has no room for all of them: said after the first batch.
    """
    made = compute_features(dataset, extractor, directory, batch, part)
    assert made is not None  # nobody else has a share
    return FeatureStore(made)


def compute_features(
    dataset: CaptionDataset,
    extractor: ExtractorProtocol,
    directory: Path | str,
    batch: int = 64,
    part: int | None = None,
    share: tuple[int, int] = (0, 1),
) -> ArrayParts | None:
    """`write_features` of a process with a share (see `write_parts`), which opens nothing."""
    about = {name: getattr(extractor, name) for name in ("name", "digest", "relation_labels")}
    code = code_digest(__name__, *modules_of(extractor))
    key = {**pictures_key(dataset), "extractor": about, "code": code}

    def fill(folder: Path, start: int, stop: int) -> None:
        _compute(dataset, extractor, folder, range(start, stop), batch)

    total = len(dataset.records)
    return write_parts(directory, _NEEDED, _WHAT, key, total, fill, share, part)


def _compute(
    dataset: CaptionDataset, extractor: ExtractorProtocol, folder: Path, rows: range, size: int
) -> None:
    """Run the extractor over rows of a split."""
    ids = np.array([dataset.records[row].image_id for row in rows], dtype=np.int64)
    append_rows(folder / "image_ids.npy", ids, len(ids))
    shapes: dict[str, tuple[int, ...]] = {}
    what, all_rows = f"features of {dataset.split}", len(dataset.records)
    label = what if len(rows) == all_rows else f"{what}, {rows.start:,} to {rows.stop:,}"
    with bar(len(rows), label, "image") as progress:
        for chosen in (rows[at : at + size] for at in range(0, len(rows), size)):
            there = {
                name: value.detach().cpu().numpy().astype(_STORED[name])
                for name, value in vars(features_of(extractor, dataset, chosen)).items()
                if value is not None
            }
            found = {name: array.shape[1:] for name, array in there.items()}
            if not shapes:
                shapes, each = found, sum(array[0].nbytes for array in there.values())
                need_room(folder, each * (all_rows - rows.start), what)
            if found != shapes or any(len(array) != len(chosen) for array in there.values()):
                said = f"extractor {extractor.name!r} gives arrays of other sizes"
                fix = "give equal sizes for all images: pad regions, and mask them"
                raise DataError(f"{said} from image {chosen.start} on", fix)
            if "relations" in there:
                _check_relations(there["relations"], extractor)
            for name, array in there.items():
                append_rows(folder / f"{name}.npy", array, len(rows))
            progress.update(len(chosen))


def _check_relations(relations: np.ndarray, extractor: ExtractorProtocol) -> None:
    """A label that the extractor does not announce would be outside the models' tables."""
    low, high, labels = int(relations.min()), int(relations.max()), extractor.relation_labels
    if low < 0 or high >= labels:
        found = f"announces {labels} relation labels and finds label {low if low < 0 else high}"
        fix = "its relation_labels must count every label, 0 (no edge) included"
        raise DataError(f"extractor {extractor.name!r} {found}", fix)
