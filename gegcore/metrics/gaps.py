"""Gaps of all captions of a split (Eq. 3 and 4), as many at once as memory has room for."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.errors import DataError
from gegcore.gap import GroupGap, group_embedding_gap
from gegcore.groups import SimilarGroups

_NUMBERS = 4096 * 5 * 512
"""Of embeddings of similar images in memory at once: CLIP ViT-B/32, five to a group."""


def caption_gaps(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, groups: SimilarGroups
) -> GroupGap:
    """Group Embedding Gaps of captions, average and minimum `(M,)` float32.

    Args:
        text_emb: captions `(M, E)`, L2-normalised.
        image_emb: all images of the split `(N, E)`, L2-normalised.
        image_index: `(M,)` int64, position of each caption's image.
        groups: the K similar images of each of the N images.

    Raises:
        DataError: the groups are those of another number of images.

    Source: paper Sec. 3.3, Eq. 3 and Eq. 4.
    """
    if len(groups.index) != len(image_emb):
        what = f"similar-image groups of {len(groups.index)} images, embeddings of {len(image_emb)}"
        raise DataError(what, "compute the groups from these very embeddings")
    gaps, rows = [], captions_at_once(groups, image_emb)
    for text, target in zip(text_emb.split(rows), image_index.split(rows), strict=True):
        members = image_emb[groups.index[target.to(groups.index.device)].to(image_emb.device)]
        gaps.append(group_embedding_gap(text, image_emb[target], members))
    average, minimum = zip(*gaps, strict=True)
    return GroupGap(torch.cat(average), torch.cat(minimum))


def captions_at_once(groups: SimilarGroups, image_emb: Tensor) -> int:
    """Captions at once: the larger the groups, the fewer."""
    return max(1, _NUMBERS // (groups.index.shape[1] * image_emb.shape[1]))
