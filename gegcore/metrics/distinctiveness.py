"""GEG-Avg and GEG-Min of captions (Sec. 3.3, Eq. 3-4) within their similar-image groups."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.errors import DataError
from gegcore.gap import GroupGap, group_embedding_gap
from gegcore.groups import SimilarGroups

_CHUNK = 4096


def caption_gaps(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, groups: SimilarGroups
) -> GroupGap:
    """Group Embedding Gaps of captions.

    Args:
        text_emb: captions `(M, E)`, L2-normalised.
        image_emb: all images of the split `(N, E)`, L2-normalised.
        image_index: `(M,)` int64, position of each caption's image.
        groups: the K similar images of each of the N images.

    Returns:
        `GroupGap(average (M,), minimum (M,))`, float32.

    Raises:
        DataError: the groups are those of another number of images.

    Source: paper Sec. 3.3, Eq. 3 and Eq. 4.
    """
    if len(groups.index) != len(image_emb):
        raise DataError(
            f"similar-image groups of {len(groups.index)} images, embeddings of {len(image_emb)}",
            "compute the groups from these very embeddings",
        )
    gaps = []
    for start in range(0, len(text_emb), _CHUNK):
        target = image_index[start : start + _CHUNK]
        members = image_emb[groups.index[target.to(groups.index.device)].to(image_emb.device)]
        gaps.append(
            group_embedding_gap(text_emb[start : start + _CHUNK], image_emb[target], members)
        )
    if not gaps:
        empty = torch.zeros(0, device=text_emb.device)
        return GroupGap(empty, empty)
    average, minimum = zip(*gaps, strict=True)
    return GroupGap(torch.cat(average), torch.cat(minimum))
