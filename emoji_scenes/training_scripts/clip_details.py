"""Naming what is in a picture: what a tower that learns from pixels learns first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_scenes.scenes.facts import Atom, details_of
from emoji_scenes.scenes.graph import SceneGraph

_RARE = 20
"""Details of fewer scenes are not asked for."""

_RARELY = -6.0
"""First logit of every detail in every cell."""


class Details(nn.Module):
    """A linear classifier of the details of scenes, on the cells of a ResNet's last map.

    Contrastive learning alone takes long to find out what small things are. A detail (a thing, its
    colour, number and place, the setting, time, weather) is there if any cell of the map shows it.
    The classifier is used in the first epochs and then thrown away.

    Args:
        width: channels of the map.
        scenes: that it learns from.
    """

    def __init__(self, width: int, scenes: Sequence[SceneGraph]) -> None:
        super().__init__()
        found = [details_of(scene) for scene in scenes]
        counts = Counter(atom for of_one in found for atom in of_one)
        self.names: list[Atom] = sorted(a for a, count in counts.items() if count >= _RARE)
        column = {name: index for index, name in enumerate(self.names)}
        self.truth = np.zeros((len(found), len(self.names)), dtype=bool)
        for row, of_one in enumerate(found):
            self.truth[row, [column[atom] for atom in of_one if atom in column]] = True
        self.classify = nn.Conv2d(width, len(self.names), kernel_size=1)
        assert self.classify.bias is not None
        nn.init.constant_(self.classify.bias, _RARELY)

    def forward(self, cells: Tensor, scenes: np.ndarray) -> Tensor:
        """Cross-entropy of the details, the sum over details, 0-d.

        Args:
            cells: `(B, width, H, W)`, the map of B pictures.
            scenes: `(B,)` their positions.
        """
        logits = self.classify(cells).float().flatten(2).logsumexp(dim=2)
        truth = torch.from_numpy(self.truth[scenes]).float()
        return F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(scenes)
