"""Features of photographs for captioners: a grid of cells as regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gegcore import registry
from gegcore.data.features import FeatureBatch
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.materials import Materials
from gegcore.runs import project_root
from photographs.grids import Grids


class GridExtractor:
    """Cells of a frozen network's last map as regions, their mean as the picture's feature.

    Source: Jiang et al. (2020), "In Defense of Grid Features for Visual Question Answering".
    """

    relation_labels = len(RELATIONS)

    def __init__(self, grids: Grids) -> None:
        self.grids, self.name = grids, f"grid of {grids.network}"

    @property
    def digest(self) -> str:
        return self.grids.digest

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        maps = self.grids(images).float()
        boxes, mask, relations = _layout(*maps.shape[2:])
        count = len(maps)
        return FeatureBatch(
            pooled=maps.mean((2, 3)),
            attributes=None,
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
    """The extractor "grid" of a profile; maps are kept where a CLIP learns from them, too."""
    grids = grids_of(materials)
    if not registry.learner("clip", materials.profile.clip):
        grids.folder = None  # of COCO they are 24 GB, as the features are
    return GridExtractor(grids)


grid_extractor.learns = True  # type: ignore[attr-defined]
