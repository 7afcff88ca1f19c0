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

_INSIDE, _COVER, _OVERLAP, _FIRST_SECTOR = 1, 2, 3, 4
_SECTORS = 8

FAR = 0.5
"""Regions whose centres are this share of the picture's diagonal apart, or more, have no edge."""

OVERLAP = 0.5
"""Least IoU of two regions that overlap."""


def spatial_relations(boxes: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels between all pairs of regions: `relations[b, i, j]` says how j stands to i.

    Region i is the subject and j the object: the edge goes from i to j, and GCN-LSTM gathers along
    rows for one direction and along columns for the other.

    0 is for regions far apart, a region and itself, and padding; 3 also where centres coincide.

    X-modaler reads 20 labels of its own in the same layout from files, probably of the paper's
    semantic graph: how many labels there are is a property of the features.

    Args:
        boxes: `(B, N, 4)` x0, y0, x1, y1 in pixels, y down.
        mask: `(B, N)` bool, False for padding.
        size: height and width of the pictures in pixels.

    Returns:
        `(B, N, N)` int64.

    Source: Yao et al. 2018, "Exploring Visual Relationship for Image Captioning", Sec. 3.2.
    """
    first, second = boxes.unsqueeze(2), boxes.unsqueeze(1)
    includes = ((first[..., :2] <= second[..., :2]) & (first[..., 2:] >= second[..., 2:])).all(-1)
    included = includes.transpose(1, 2)
    right, down = (_centres(second) - _centres(first)).unbind(-1)
    distance = torch.hypot(right, down)
    near = distance < FAR * hypot(*size)
    labels = torch.where(near, _sector(right, -down), 0)
    labels[(_iou(first, second) >= OVERLAP) | (distance == 0)] = _OVERLAP
    labels[includes & ~included] = _INSIDE
    labels[included & ~includes] = _COVER
    themselves = torch.eye(boxes.shape[1], dtype=torch.bool, device=boxes.device)
    exist = mask.unsqueeze(2) & mask.unsqueeze(1) & ~themselves
    return torch.where(exist, labels, 0)


def _sector(right: Tensor, up: Tensor) -> Tensor:
    """Label of a direction: ceil(angle / 45 degrees) + 3 for an angle in (0, 360] degrees."""
    eighths = torch.ceil(torch.atan2(up, right) / (pi / 4)).long()
    return (eighths - 1) % _SECTORS + _FIRST_SECTOR


def _centres(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes that broadcast: `(..., 4)` -> `(...)`; 0 of empty boxes."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    covered = _area(first) + _area(second) - shared
    return shared / covered.clamp(min=torch.finfo(covered.dtype).tiny)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
