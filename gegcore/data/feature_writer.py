"""Compute the features of a split and store them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gegcore.array_folder import new_array_folder
from gegcore.data.dataset import CaptionDataset
from gegcore.data.features import FeatureBatch, FeatureStore
from gegcore.errors import ChecksumError, DataError
from gegcore.progress import track
from gegcore.storage import digest

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


def write_features(
    dataset: CaptionDataset,
    extractor: ExtractorProtocol,
    directory: Path | str,
    batch: int = 64,
) -> FeatureStore:
    """Compute the features of a split, or open those that are stored and current.

    Current means: the same images (ids, scenes or files, and the pixels of a sample of them) and
    the same extractor (name and digest).

    Args:
        dataset: one split.
        extractor: pictures -> features.
        directory: replaced if it holds features of something else, or damaged ones.
        batch: images per call of the extractor.

    Raises:
        DataError: the split is empty, or a relation has a label beyond those of the extractor.
    """
    if not len(dataset.records):
        raise DataError(f"split {dataset.split!r} of {dataset.name} has no images", "add some")
    key = _key(dataset, extractor)
    try:
        store = FeatureStore.open(directory)
        if store.key == key:
            return store
    except (DataError, ChecksumError):
        pass  # missing or damaged: compute it
    with new_array_folder(directory, key) as folder:
        _compute(dataset, extractor, folder, batch)
    return FeatureStore.open(directory, verify=False)


def _compute(
    dataset: CaptionDataset, extractor: ExtractorProtocol, folder: Path, size: int
) -> None:
    """Run the extractor over the split."""
    ids = [record.image_id for record in dataset.records]
    np.save(folder / "image_ids.npy", np.array(ids, dtype=np.int64))
    maps: dict[str, np.memmap] = {}
    starts = range(0, len(ids), size)
    for start in track(starts, f"features of {dataset.split}", total=len(starts)):
        rows = range(start, min(start + size, len(ids)))
        features = extractor(dataset.images(list(rows)))
        for name, stored in _STORED.items():
            value = getattr(features, name)
            if value is None:
                continue
            if name not in maps:
                shape = (len(ids), *value.shape[1:])
                path = folder / f"{name}.npy"
                maps[name] = np.lib.format.open_memmap(path, "w+", dtype=stored, shape=shape)
            maps[name][start : rows.stop] = value.detach().cpu().numpy()
    if "relations" in maps:
        _check_relations(maps["relations"], extractor)
    for array in maps.values():
        array.flush()


def _check_relations(relations: np.memmap, extractor: ExtractorProtocol) -> None:
    """A label that the extractor does not announce would be outside the models' tables."""
    low, high, labels = int(relations.min()), int(relations.max()), extractor.relation_labels
    if low < 0 or high >= labels:
        raise DataError(
            f"extractor {extractor.name!r} announces {labels} relation labels and finds label "
            f"{low if low < 0 else high}",
            "its relation_labels must count every label, 0 (no edge) included",
        )


def _key(dataset: CaptionDataset, extractor: ExtractorProtocol) -> dict[str, Any]:
    """What the features are made from; captions are not part of it."""
    records = dataset.records
    probes = np.linspace(0, len(records) - 1, min(_PROBES, len(records))).round().astype(int)
    pixels = np.ascontiguousarray(dataset.images(probes.tolist()))
    about = ("name", "digest", "relation_labels")
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "image_ids": digest([record.image_id for record in records]),
        "contents": digest([[record.file, record.scene] for record in records]),
        "pixels": hashlib.sha256(pixels.tobytes()).hexdigest()[:16],
        "extractor": {name: getattr(extractor, name) for name in about},
    }
