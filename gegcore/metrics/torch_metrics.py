"""R@K-CLIP and the Group Embedding Gap as torchmetrics: they accumulate and sync under DDP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gegcore.errors import ConfigError, DataError
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.metrics.retrieval import retrieval_ranks

__all__ = ["CLIPRecall", "GroupEmbeddingGap", "clip_recall", "group_embedding_gap"]


def clip_recall(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, k: Sequence[int] = (1, 5, 10)
) -> dict[str, Tensor]:
    """R@K-CLIP of captions, the functional twin of `CLIPRecall`.

    Args:
        text_emb: captions `(M, E)`, L2-normalised; several may belong to one image.
        image_emb: all images `(N, E)`, L2-normalised.
        image_index: `(M,)` int64, position of each caption's image.
        k: the K of R@K.

    Returns:
        "R@K" -> 0-d share of captions in [0, 1] whose own image is among the first K.

    Raises:
        DataError: shapes that do not fit (see `retrieval_ranks`).

    Source: paper Sec. 3.3.
    """
    ranks = retrieval_ranks(text_emb, image_emb, image_index)
    return {f"R@{at}": (ranks < at).float().mean() for at in k}


class CLIPRecall(Metric):
    """R@K-CLIP: how often a caption retrieves its own image among all images of a split.

    The gallery is given at construction, so that what a process keeps of its captions are three
    counts, which DDP adds up: nothing is gathered, and any split into batches and processes gives
    the same value.

    >>> gallery = torch.eye(3)
    >>> recall = CLIPRecall(gallery, k=(1, 2))
    >>> recall.update(gallery[[0, 2]], torch.tensor([0, 1]))
    >>> recall.compute()
    {'R@1': tensor(0.5000), 'R@2': tensor(0.5000)}

    Args:
        image_emb: all images `(N, E)`, L2-normalised.
        k: the K of R@K, each positive.

    Raises:
        ConfigError: no K, or one below 1.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    image_emb: Tensor
    hits: Tensor
    captions: Tensor

    def __init__(self, image_emb: Tensor, k: Sequence[int] = (1, 5, 10), **options: Any) -> None:
        super().__init__(**options)
        if not k or min(k) < 1:
            raise ConfigError(f"R@K of K = {list(k)} is not defined", "use K >= 1")
        self.k = tuple(k)
        self.register_buffer("image_emb", image_emb, persistent=False)
        self.add_state("hits", torch.zeros(len(k), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("captions", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, text_emb: Tensor, image_index: Tensor) -> None:
        """Count captions `(M, E)`, L2-normalised, of the images at positions `(M,)`.

        Raises:
            DataError: shapes that do not fit (see `retrieval_ranks`).
        """
        ranks = retrieval_ranks(text_emb, self.image_emb, image_index)
        at = torch.tensor(self.k, device=ranks.device)
        self.hits += (ranks[:, None] < at).sum(dim=0)
        self.captions += len(ranks)

    def compute(self) -> dict[str, Tensor]:
        """ "R@K" -> 0-d share in [0, 1]; NaN before the first caption."""
        shares = self.hits / self.captions
        return {f"R@{at}": share for at, share in zip(self.k, shares, strict=True)}


class GroupEmbeddingGap(Metric):
    """Mean GEG-Avg and GEG-Min (Eq. 3 and 4); `gegcore.gap.group_embedding_gap` is its twin.

    Sums in float64 are kept, which DDP adds up.

    Args:
        image_emb: all images `(N, E)`, L2-normalised.
        group_index: `(N, K)` int64, positions of the similar images of each.

    Raises:
        DataError: groups of another number of images.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    image_emb: Tensor
    group_index: Tensor
    total: Tensor
    captions: Tensor

    def __init__(self, image_emb: Tensor, group_index: Tensor, **options: Any) -> None:
        super().__init__(**options)
        if len(group_index) != len(image_emb):
            raise DataError(
                f"similar-image groups of {len(group_index)} images, embeddings of "
                f"{len(image_emb)}",
                "compute the groups from these very embeddings",
            )
        self.register_buffer("image_emb", image_emb, persistent=False)
        self.register_buffer("group_index", group_index, persistent=False)
        self.add_state("total", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("captions", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, text_emb: Tensor, image_index: Tensor) -> None:
        """Add captions `(M, E)`, L2-normalised, of the images at positions `(M,)`."""
        groups = SimilarGroups(self.group_index, torch.empty(0))
        gaps = caption_gaps(text_emb, self.image_emb, image_index, groups)
        self.total += torch.stack([gap.double().sum() for gap in gaps])
        self.captions += len(text_emb)

    def compute(self) -> dict[str, Tensor]:
        """ "GEG-Avg" and "GEG-Min", 0-d float64; NaN before the first caption."""
        average, minimum = self.total / self.captions
        return {"GEG-Avg": average, "GEG-Min": minimum}
