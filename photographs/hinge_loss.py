"""The loss of VSE++: only the hardest wrong partner of each picture and of each caption counts."""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 0.2


def hinge_loss(scores: Tensor, margin: float = MARGIN, hardest: bool = True) -> Tensor:
    """Hinge of every wrong pair of a batch against the right one.

    Args:
        scores: `(B, B)` similarities, picture i with caption j; the pairs are on the diagonal.
        margin: by which the right pair must win.
        hardest: only the hardest wrong caption of each picture and the hardest wrong picture of
            each caption (max of hinges, VSE++); otherwise all of them (sum of hinges, VSE0), which
            does not get stuck when training begins.

    Returns:
        0-d mean over the batch.

    Source: faghri2017vsepp, Eq. 5 (sum of hinges) and Eq. 6 (max of hinges).
    """
    right = scores.diagonal()
    itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    captions = (margin + scores - right[:, None]).clamp(min=0).masked_fill(itself, 0.0)
    pictures = (margin + scores - right[None, :]).clamp(min=0).masked_fill(itself, 0.0)
    if hardest:
        return (captions.amax(dim=1) + pictures.amax(dim=0)).mean()
    return (captions.sum(dim=1) + pictures.sum(dim=0)).mean()
