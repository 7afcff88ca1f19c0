"""Features that others have computed, as a profile's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.data.features import FeatureBatch
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.errors import ConfigError, DataError
from gegcore.materials import Materials
from gegcore.storage import digest
from photographs.dataset import in_place
from photographs.feature_files import FeatureFile, Stored, open_features

XMODALER_LABELS = 21
"""Relations in X-modaler's files, 0 (no edge) included."""

PARTS = ("regions", "boxes", "pooled", "attributes", "relations")


class StoredFeatures:
    """Reads regions and what else there is; the rest is made from them.

    Without `pooled` it is the mean of the regions, without `relations` they are told by the boxes
    where there are any, without `attributes` they are learnt.

    Args:
        files: one of each of `PARTS` that there is.
        regions: N; of an image with more the first, of fewer the rest is masked.
        mean_first: as X-modaler reads files that have more than regions: the first region is the
            mean of the others.
    """

    def __init__(self, files: dict[str, FeatureFile], regions: int, mean_first: bool) -> None:
        self.files, self.regions, self.mean_first = files, regions, mean_first
        self.name = f"stored: {', '.join(sorted(files))}"
        self._first: dict[str, tuple[int, tuple[int, ...]]] = {}
        self.relation_labels = XMODALER_LABELS if "relations" in files else len(RELATIONS)

    @property
    def digest(self) -> str:
        about = {name: file.about for name, file in self.files.items()}
        return digest([about, self.regions, self.mean_first])

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        what = "features of this profile are read from files, which have none of other photographs"
        raise ConfigError(what, "take a profile whose data.extractor is regions or grid")

    def of(self, dataset: CaptionDataset, rows: Sequence[int]) -> FeatureBatch:
        """Of images of the data set, by their ids."""
        if not dataset.split:
            self(np.zeros(0))
        records = [dataset.records[row] for row in rows]
        found = [self._regions(record.image_id) for record in records]
        sizes = [self._size(one, dataset, row) for one, row in zip(found, rows, strict=True)]
        count, width = len(found), found[0].rows.shape[1]
        regions, boxes = (torch.zeros(count, self.regions, n) for n in (width, 4))
        mask = torch.zeros(count, self.regions, dtype=torch.bool)
        for row, one in enumerate(found):
            n = len(one.rows)
            regions[row, :n], mask[row, :n] = torch.from_numpy(one.rows), True
            if one.boxes is not None:
                boxes[row, :n] = torch.from_numpy(one.boxes)
        size = torch.tensor(sizes)
        boxed = all(one.boxes is not None for one in found)
        ids = [record.image_id for record in records]
        pooled = self._array("pooled", ids)
        if pooled is None:
            pooled = regions.sum(1) / mask.sum(1, keepdim=True)
        return FeatureBatch(
            pooled=pooled.float(),
            attributes=self._array("attributes", ids),
            regions=regions,
            boxes=boxes / size.flip(1).repeat(1, 2)[:, None],
            relations=self._relations(ids, boxes, mask, size if boxed else None),
            mask=mask,
        )

    def _regions(self, image: int) -> Stored:
        """Regions and boxes of one image, N at most."""
        found = self._read("regions", image)
        if found.rows.ndim != 2 or not len(found.rows):
            shape = found.rows.shape
            what = f"{self.files['regions'].path}: image {image} has features of shape {shape}"
            raise DataError(what, "give (regions, width), one region at least")
        self._same("regions", image, found.rows.shape[1:])
        rows, boxes = found.rows.astype(np.float32), found.boxes
        if "boxes" in self.files:
            boxes = self._read("boxes", image).rows
        if boxes is not None and boxes.shape != (len(rows), 4):
            what = f"image {image} has {len(rows)} regions and boxes of shape {boxes.shape}"
            raise DataError(what, "give four numbers of each region")
        mean = self.mean_first and not found.alone
        rows = rows[: self.regions - mean]
        boxes = None if boxes is None else boxes[: self.regions - mean].astype(np.float32)
        if mean:
            rows = np.concatenate([rows.mean(0, keepdims=True), rows])
            if boxes is not None:
                around = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
                boxes = np.concatenate([around[None], boxes])
        return found._replace(rows=rows, boxes=boxes)

    def _read(self, name: str, image: int) -> Stored:
        """What a file has of an image; DataError where not all of it is finite numbers."""
        file = self.files[name]
        found = file.read(image)
        for part, array in ((name, found.rows), ("boxes", found.boxes)):
            if array is None:
                continue
            if array.dtype.kind not in "fiub":
                what = f"{file.path}: {part} of image {image} are of type {array.dtype}"
                raise DataError(what, "give arrays of numbers")
            if not np.isfinite(array).all():
                what = f"{file.path}: {part} of image {image} are NaN or infinite"
                raise DataError(what, "compute the features of this image again, or drop it")
        return found

    def _same(self, name: str, image: int, shape: tuple[int, ...]) -> None:
        """Sizes are those of the image that was read first; DataError where they are not."""
        first, wanted = self._first.setdefault(name, (image, shape))
        if shape != wanted:
            given, known = (str(x[0]) if len(x) == 1 else str(x) for x in (shape, wanted))
            what = f"{self.files[name].path}: {name} of image {image} have width {given}, those of"
            fix = "give features of one extractor, all of the same width"
            raise DataError(f"{what} image {first} have {known}", fix)

    def _size(self, found: Stored, dataset: Any, row: int) -> tuple[int, int]:
        """Height and width of an image, from its photograph where boxes need it."""
        if found.boxes is None or found.size is not None:
            return found.size or (1, 1)
        width, height = dataset.originals([row])[0].size
        return height, width

    def _array(self, name: str, ids: Sequence[int]) -> Tensor | None:
        if name not in self.files:
            return None
        arrays = [self._read(name, image).rows for image in ids]
        for image, array in zip(ids, arrays, strict=True):
            self._same(name, image, array.shape)
        return torch.from_numpy(np.stack(arrays))

    def _relations(
        self, ids: Sequence[int], boxes: Tensor, mask: Tensor, size: Tensor | None
    ) -> Tensor | None:
        """Labels `(B, N, N)`: of a file, cut or filled to N; else told by boxes in pixels."""
        given = self._array("relations", ids)
        if given is None:
            return None if size is None else spatial_relations(boxes, mask, size)
        n = self.regions
        return torch.nn.functional.pad(given.long(), (0, n, 0, n))[:, :n, :n]


def stored_features(materials: Materials) -> StoredFeatures:
    """The extractor "stored" of a profile: `data.features` says where the files are.

    Raises:
        ConfigError: an unknown part, or no regions among them.
    """
    data: Any = materials.profile.data
    unknown = data.features.keys() - {*PARTS}
    if unknown or "regions" not in data.features:
        what = f"data.features has {', '.join(data.features) or 'nothing'}"
        raise ConfigError(what, f"give regions, and what there is of {', '.join(PARTS[1:])}")
    files = {name: open_features(in_place(path)) for name, path in data.features.items()}
    return StoredFeatures(files, data.regions, data.mean_region)


stored_features.learns = True  # type: ignore[attr-defined]
