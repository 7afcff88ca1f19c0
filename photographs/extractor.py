"""Features of photographs for captioners: a grid of cells as regions, attributes, relations."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.embeddings import weights_digest
from gegcore.materials import Materials
from gegcore.runs import project_root
from photographs.attributes import WordClassifier, classifier_of
from photographs.grids import Grids


class GridExtractor:
    """Cells of a frozen network's last map as regions, their mean as the picture's feature.

    Args:
        classifier: of words, over that mean.

    Source: Jiang et al. (2020), "In Defense of Grid Features for Visual Question Answering".
    """

    relation_labels = len(RELATIONS)

    def __init__(self, grids: Grids, classifier: WordClassifier) -> None:
        self.grids, self.classifier = grids, classifier
        self.name = f"grid of {grids.network}"

    @cached_property
    def digest(self) -> str:
        return f"{self.grids.digest}-{weights_digest(self.classifier)}"

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        maps = self.grids(images).float()
        boxes, mask, relations = _layout(*maps.shape[2:])
        pooled = maps.mean((2, 3))
        count = len(maps)
        return FeatureBatch(
            pooled=pooled,
            attributes=self.classifier(pooled),
            regions=maps.flatten(2).transpose(1, 2),
            boxes=boxes.expand(count, -1, -1),
            relations=relations.expand(count, -1, -1),
            mask=mask.expand(count, -1),
        )


def _layout(rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, mask and relations of one picture's cells, row by row: the same for all pictures."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    cells = torch.stack([x, y, x + 1, y + 1], dim=-1).float().view(1, -1, 4)
    mask = torch.ones(1, rows * columns, dtype=torch.bool)
    relations = spatial_relations(cells, mask, (rows, columns))
    return cells / torch.tensor([columns, rows, columns, rows]), mask, relations


def grids_of(materials: Materials, network: str = "") -> Grids:
    """Those that all profiles share, of a network; by default that of the profile's data."""
    data: Any = materials.profile.data
    return Grids(network or data.network, grids_folder(), materials.device)


def grids_folder() -> Path:
    return project_root() / "artifacts" / "grids"


def grid_extractor(materials: Materials) -> GridExtractor:
    """The extractor "grid" of a profile: its word classifier learns from the training split."""
    grids = grids_of(materials)
    train = materials.data["train"]
    pooled = torch.cat([part.float().mean((2, 3)) for part in grids.of(train).parts()])
    captions = [record.captions for record in train.records]
    place = materials.folder / "attributes"
    return GridExtractor(grids, classifier_of(pooled, captions, grids.digest, place))


grid_extractor.learns = True  # type: ignore[attr-defined]
