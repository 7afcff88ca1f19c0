"""Group Embedding Gap (Sec. 3.3, Eq. 3 and 4): the one implementation of metric and reward."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gegcore.errors import ConfigError


class GroupGap(NamedTuple):
    """Both gaps of the same captions, shape `(...)`, float32.

    Attributes:
        average: GEG-Avg, similarity to the target minus the mean similarity to its group (Eq. 3).
        minimum: GEG-Min, the same minus the similarity to the closest group member (Eq. 4).
    """

    average: Tensor
    minimum: Tensor


def group_embedding_gap(text_emb: Tensor, target_emb: Tensor, group_emb: Tensor) -> GroupGap:
    """How much closer a caption lies to its own image than to the images of its group.

    All embeddings are L2-normalised, so that inner products are f_CLIP (Eq. 1); leading
    dimensions broadcast, and gradients flow to every argument.

    Args:
        text_emb: captions `(..., E)`.
        target_emb: their own images `(..., E)`.
        group_emb: the K similar images of each `(..., K, E)`.

    Returns:
        `GroupGap(average, minimum)`, each `(...)` float32 in [-2, 2].

    Raises:
        ConfigError: the group is empty or the embedding widths differ.

    Source: paper Sec. 3.3, Eq. 3 and Eq. 4.
    """
    widths = {text_emb.shape[-1], target_emb.shape[-1], group_emb.shape[-1]}
    if len(widths) != 1:
        raise ConfigError(
            f"embeddings of different widths {sorted(widths)} cannot be compared",
            "encode captions and images with the same CLIP model",
        )
    if group_emb.shape[-2] == 0:
        raise ConfigError("the similar-image group is empty (K = 0)", "use K >= 1")
    text, target, group = text_emb.float(), target_emb.float(), group_emb.float()
    own = torch.linalg.vecdot(text, target)  # (...)
    others = torch.linalg.vecdot(text.unsqueeze(-2), group)  # (..., K)
    return GroupGap(own - others.mean(dim=-1), own - others.amax(dim=-1))
