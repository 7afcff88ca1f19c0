"""Image features, computed once and read many times: arrays on disk behind one manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore.errors import ChecksumError, DataError
from gegcore.storage import digest, read_json, sha256_file

FORMAT = 1
MANIFEST = "manifest.json"


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


def _widen(tensor: Tensor) -> Tensor:
    """Half precision to float32, small integers to int64; masks stay."""
    if tensor.dtype == torch.bool:
        return tensor
    return tensor.float() if tensor.is_floating_point() else tensor.long()
