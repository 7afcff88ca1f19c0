"""Image features, computed once and read many times: arrays on disk behind one manifest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.errors import ChecksumError, DataError
from gegcore.progress import track
from gegcore.storage import digest, read_json, sha256_file, write_json

FORMAT = 1
MANIFEST = "manifest.json"

_STORED: dict[str, np.dtype[Any]] = {
    "pooled": np.dtype(np.float16),
    "attributes": np.dtype(np.float16),
    "regions": np.dtype(np.float16),
    "boxes": np.dtype(np.float32),
    "relations": np.dtype(np.int16),
    "mask": np.dtype(np.bool_),
}
"""How each array of a batch is kept on disk; half precision halves the reading."""

_PROBES = 32
"""Pictures whose pixels are compared before stored features are taken for current."""

_ABANDONED_S = 3600.0
"""A half-written folder untouched for so long belongs to a process that was killed."""


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
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        changed: dict[str, Any] = {k: None if v is None else change(v) for k, v in values}
        return FeatureBatch(**changed)


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
        """Features of uint8 RGB pictures `(B, H, W, 3)`."""
        ...


class FeatureStore:
    """Features of one split, memory-mapped: open costs nothing, `batch` reads what it needs.

    Whoever computed the arrays, the folder is the same: `manifest.json` and one `.npy` per field
    of FeatureBatch. Use `FeatureStore.open`.
    """

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory, self.manifest = directory, manifest
        self._arrays = {
            name: np.load(directory / entry["file"], mmap_mode="r", allow_pickle=False)
            for name, entry in manifest["arrays"].items()
        }

    @classmethod
    def open(cls, directory: Path | str, verify: bool = True) -> FeatureStore:
        """Map the features in `directory`.

        Args:
            directory: a folder that `write_features` made.
            verify: compare every file with its SHA-256 in the manifest (about 1 GB/s).

        Raises:
            DataError: no manifest, or one of another format.
            ChecksumError: a file is missing or damaged.
        """
        directory = Path(directory)
        fix = f"delete {directory} and compute the features again"
        manifest = read_json(directory / MANIFEST)
        known = isinstance(manifest, dict) and manifest.get("format") == FORMAT
        if not known or not {"arrays", "count", "image_ids", "source"} <= manifest.keys():
            raise DataError(f"{directory / MANIFEST} is not a feature manifest v{FORMAT}", fix)
        for entry in manifest["arrays"].values():
            path = directory / entry["file"]
            if not path.is_file():
                raise ChecksumError(f"feature file {path} is missing", fix)
            if verify and sha256_file(path) != entry["sha256"]:
                raise ChecksumError(f"feature file {path} does not match its checksum", fix)
        try:
            store = cls(directory, manifest)
        except ValueError as error:
            raise ChecksumError(
                f"a feature file in {directory} is damaged: {error}", fix
            ) from error
        return store

    def __len__(self) -> int:
        return int(self.manifest["count"])

    @property
    def image_ids(self) -> list[int]:
        """Image of each row."""
        return list(self.manifest["image_ids"])

    @cached_property
    def digest(self) -> str:
        """Of the features themselves: equal digests, equal arrays."""
        sums = {name: entry["sha256"] for name, entry in self.manifest["arrays"].items()}
        return digest({"image_ids": self.manifest["source"]["image_ids"], "arrays": sums})

    def width(self, field: str) -> int:
        """Length of the last axis of one array, e.g. `width("regions")` is Dr."""
        return int(self._arrays[field].shape[-1])

    @cached_property
    def sizes(self) -> InputSizes:
        """What a captioner must know to be built for these features."""
        arrays = self.manifest["arrays"]
        return InputSizes(
            regions=self.width("regions"),
            pooled=self.width("pooled"),
            attributes=self.width("attributes") if "attributes" in arrays else 0,
            relations=int(arrays["relations"]["labels"]) if "relations" in arrays else 0,
        )

    def batch(self, indices: Sequence[int] | np.ndarray) -> FeatureBatch:
        """Features of the images at `indices`: float32, relations int64, mask bool.

        Raises:
            DataError: an index outside the split.
        """
        index = np.asarray(indices, dtype=np.int64)
        if len(index) and (index.min() < 0 or index.max() >= len(self)):
            raise DataError(
                f"image index outside 0..{len(self) - 1}: {index.min()}..{index.max()}",
                "features and captions belong to different splits: prepare both again",
            )
        read: dict[str, Any] = {field.name: None for field in fields(FeatureBatch)}
        for name, array in self._arrays.items():
            read[name] = _widen(torch.from_numpy(array[index]))
        return FeatureBatch(**read)


def write_features(
    dataset: CaptionDataset,
    extractor: ExtractorProtocol,
    directory: Path | str,
    batch: int = 64,
) -> FeatureStore:
    """Compute the features of a split, or open those that are stored and current.

    Current means: the same images (ids, scenes or files, and the pixels of a sample of them) and
    the same extractor (name and digest). The folder appears complete or not at all.

    Args:
        dataset: one split.
        extractor: pictures -> features.
        directory: replaced if it holds features of something else, or damaged ones.
        batch: images per call of the extractor.

    Raises:
        DataError: the split is empty, or a relation has a label beyond those of the extractor.
    """
    directory = Path(directory)
    if not len(dataset.records):
        raise DataError(f"split {dataset.split!r} of {dataset.name} has no images", "add some")
    source = _source(dataset, extractor)
    try:
        store = FeatureStore.open(directory)
        if store.manifest["source"] == source:
            return store
    except (DataError, ChecksumError):
        pass  # missing or damaged: compute it
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory)
    temporary = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        temporary.chmod(0o755)
        arrays = _compute(dataset, extractor, temporary, batch)
        ids = [record.image_id for record in dataset.records]
        manifest = {"format": FORMAT, "count": len(ids), "source": source, "arrays": arrays}
        write_json(temporary / MANIFEST, {**manifest, "image_ids": ids})
        if directory.exists():
            shutil.rmtree(directory)
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return FeatureStore.open(directory, verify=False)


def _compute(
    dataset: CaptionDataset, extractor: ExtractorProtocol, folder: Path, size: int
) -> dict[str, dict[str, Any]]:
    """Run the extractor over the split; returns the manifest's entry of each array."""
    count = len(dataset.records)
    maps: dict[str, np.memmap] = {}
    starts = range(0, count, size)
    for start in track(starts, f"features of {dataset.split}", total=len(starts)):
        rows = range(start, min(start + size, count))
        features = extractor(dataset.images(list(rows)))
        for name, stored in _STORED.items():
            value = getattr(features, name)
            if value is None:
                continue
            if name not in maps:
                shape = (count, *value.shape[1:])
                path = folder / f"{name}.npy"
                maps[name] = np.lib.format.open_memmap(path, "w+", dtype=stored, shape=shape)
            maps[name][start : rows.stop] = value.detach().cpu().numpy()
    if "relations" in maps:
        _check_relations(maps["relations"], extractor)
    entries: dict[str, dict[str, Any]] = {}
    for name, array in maps.items():
        array.flush()
        file = f"{name}.npy"
        entries[name] = {
            "file": file,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "sha256": sha256_file(folder / file),
        }
    if "relations" in entries:
        entries["relations"]["labels"] = extractor.relation_labels
    return entries


def _check_relations(relations: np.memmap, extractor: ExtractorProtocol) -> None:
    """A label that the extractor does not announce would be outside the models' tables."""
    low, high, labels = int(relations.min()), int(relations.max()), extractor.relation_labels
    if low < 0 or high >= labels:
        raise DataError(
            f"extractor {extractor.name!r} announces {labels} relation labels and finds label "
            f"{low if low < 0 else high}",
            "its relation_labels must count every label, 0 (no edge) included",
        )


def _source(dataset: CaptionDataset, extractor: ExtractorProtocol) -> Mapping[str, Any]:
    """What the features follow from; captions are not part of it."""
    records = dataset.records
    probes = np.linspace(0, len(records) - 1, min(_PROBES, len(records))).round().astype(int)
    pixels = np.ascontiguousarray(dataset.images(probes.tolist()))
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "image_ids": digest([record.image_id for record in records]),
        "contents": digest([[record.file, record.scene] for record in records]),
        "pixels": hashlib.sha256(pixels.tobytes()).hexdigest()[:16],
        "extractor": {"name": extractor.name, "digest": extractor.digest},
    }


def _sweep(directory: Path) -> None:
    """Remove what killed runs left half-written beside `directory`."""
    for leftover in directory.parent.glob(f".{directory.name}.*"):
        if leftover.is_dir() and time.time() - leftover.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(leftover, ignore_errors=True)


def _widen(tensor: Tensor) -> Tensor:
    """Half precision to float32, small integers to int64; masks stay."""
    if tensor.dtype == torch.bool:
        return tensor
    return tensor.float() if tensor.is_floating_point() else tensor.long()
