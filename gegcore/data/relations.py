"""How regions stand to each other, read off their boxes alone: the spatial graph of GCN-LSTM."""

from __future__ import annotations

from math import hypot, pi

import torch
from torch import Tensor

RELATIONS = (
    "no edge",
    "inside",
    "cover",
    "overlap",
    "right, above",
    "above, right",
    "above, left",
    "left, above",
    "left, below",
    "below, left",
    "below, right",
    "right, below",
)
"""Label -> how region j stands to region i; of two directions, the first is the main one.

Labels 4 to 11 are eight sectors of 45 degrees, counter-clockwise from the right of i, each with its
upper end: exactly above is "above, right", exactly to the right is "right, below".
"""

_INSIDE, _COVER, _OVERLAP = 1, 2, 3

FAR = 0.5
"""Regions whose centres are this share of the picture's diagonal apart, or more, have no edge."""

OVERLAP = 0.5
"""Least IoU of two regions that overlap."""


def spatial_relations(boxes: Tensor, mask: Tensor, size: tuple[int, int] | Tensor) -> Tensor:
    """Labels `(B, N, N)` int64 between regions: that at `[b, i, j]` says how j stands to i.

    The edge goes from i to j (GCN-LSTM gathers along rows and along columns). 0 is for regions far
    apart, a region and itself, and padding; 3 also where centres coincide.

    X-modaler reads 20 labels of its own in the same layout from files, probably of the paper's
    semantic graph: how many labels there are is a property of the features.

    Args:
        boxes: `(B, N, 4)` x0, y0, x1, y1 in pixels, y down.
        mask: `(B, N)` bool, False for padding.
        size: height and width of the pictures in pixels, or `(B, 2)` of each.

    Source: Yao et al. 2018, "Exploring Visual Relationship for Image Captioning", Sec. 3.2.
    """

    def pair(of_regions: Tensor) -> tuple[Tensor, Tensor]:
        return of_regions.unsqueeze(2), of_regions.unsqueeze(1)

    low, high = boxes.split(2, -1)
    (low_i, low_j), (high_i, high_j) = pair(low), pair(high)
    (centre_i, centre_j), (area_i, area_j) = pair((low + high) / 2), pair((high - low).prod(-1))
    includes = ((low_i <= low_j) & (high_i >= high_j)).all(-1)
    included = includes.transpose(1, 2)
    shared = (torch.minimum(high_i, high_j) - torch.maximum(low_i, low_j)).clamp(min=0).prod(-1)
    covered = area_i + area_j - shared
    iou = shared / covered.clamp(min=torch.finfo(covered.dtype).tiny)  # 0 of empty boxes
    right, down = (centre_j - centre_i).unbind(-1)
    distance = torch.hypot(right, down)
    # Label 4 for an angle in (0, 45] degrees, and so on.
    sector = (torch.ceil(torch.atan2(-down, right) / (pi / 4)).long() - 1) % 8 + 4
    diagonal = size.float().norm(dim=1)[:, None, None] if isinstance(size, Tensor) else hypot(*size)
    labels = torch.where(distance < FAR * diagonal, sector, 0)
    labels[(iou >= OVERLAP) | (distance == 0)] = _OVERLAP
    labels[includes & ~included] = _INSIDE
    labels[included & ~includes] = _COVER
    themselves = torch.eye(boxes.shape[1], dtype=torch.bool, device=boxes.device)
    exist = mask.unsqueeze(2) & mask.unsqueeze(1) & ~themselves
    return torch.where(exist, labels, 0)
