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
from gegcore.metrics.retrieval import check_shapes, count_ranks, retrieval_ranks

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


class _CaptionMetric(Metric):
    """A sum over captions of images that are all given at construction.

    To look at the positions of a batch, the host would have to wait for the GPU. So `update` counts
    those outside the images, and `compute` raises.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    image_emb: Tensor
    captions: Tensor
    outside: Tensor

    def __init__(self, image_emb: Tensor, **options: Any) -> None:
        super().__init__(**options)
        self.register_buffer("image_emb", image_emb, persistent=False)
        self.add_state("captions", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("outside", torch.tensor(0), dist_reduce_fx="sum")

    def _inside(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        """The positions `(M,)`, counted, and clamped to the images."""
        check_shapes(text_emb, self.image_emb, image_index)
        inside = image_index.to(self.image_emb.device).clamp(0, len(self.image_emb) - 1)
        self.captions += len(inside)
        self.outside += (inside != image_index.to(inside.device)).sum()
        return inside

    def _check_outside(self) -> None:
        if self.outside > 0:
            raise DataError(
                f"{int(self.outside)} captions belong to images outside the "
                f"{len(self.image_emb)} images",
                "pass the embeddings of every captioned image",
            )


class CLIPRecall(_CaptionMetric):
    """R@K-CLIP: how often a caption retrieves its own image among all images of a split.

    The gallery is given at construction, so that what a process keeps of its captions are
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

    Source: paper Sec. 3.3.
    """

    at: Tensor
    hits: Tensor

    def __init__(self, image_emb: Tensor, k: Sequence[int] = (1, 5, 10), **options: Any) -> None:
        super().__init__(image_emb, **options)
        if not k or min(k) < 1:
            raise ConfigError(f"R@K of K = {list(k)} is not defined", "use K >= 1")
        self.k = tuple(k)
        self.register_buffer("at", torch.tensor(self.k), persistent=False)
        self.add_state("hits", torch.zeros(len(k), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, text_emb: Tensor, image_index: Tensor) -> None:
        """Count captions `(M, E)`, L2-normalised, of the images at positions `(M,)`.

        Raises:
            DataError: shapes that do not fit.
        """
        inside = self._inside(text_emb, image_index)
        ranks = count_ranks(text_emb, self.image_emb, inside)
        self.hits += (ranks[:, None] < self.at).sum(dim=0)

    def compute(self) -> dict[str, Tensor]:
        """ "R@K" -> 0-d share in [0, 1]; NaN before the first caption.

        Raises:
            DataError: a position outside the images.
        """
        self._check_outside()
        shares = self.hits / self.captions
        return {f"R@{at}": share for at, share in zip(self.k, shares, strict=True)}


class GroupEmbeddingGap(_CaptionMetric):
    """Mean GEG-Avg and GEG-Min (Eq. 3 and 4); `gegcore.gap.group_embedding_gap` is its twin.

    Sums in float64 are kept, which DDP adds up.

    Args:
        image_emb: all images `(N, E)`, L2-normalised.
        group_index: `(N, K)` int64, positions of the similar images of each.

    Raises:
        DataError: groups of another number of images, or with a position outside them.

    Source: paper Sec. 3.3, Eq. 3 and Eq. 4.
    """

    group_index: Tensor
    total: Tensor

    def __init__(self, image_emb: Tensor, group_index: Tensor, **options: Any) -> None:
        super().__init__(image_emb, **options)
        images = len(image_emb)
        known = (group_index >= 0) & (group_index < images)
        if group_index.ndim != 2 or len(group_index) != images or not known.all():
            raise DataError(
                f"similar-image groups {tuple(group_index.shape)} are not those of {images} images",
                "compute the groups from these very embeddings",
            )
        self.register_buffer("group_index", group_index, persistent=False)
        self.add_state("total", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, text_emb: Tensor, image_index: Tensor) -> None:
        """Add captions `(M, E)`, L2-normalised, of the images at positions `(M,)`.

        Raises:
            DataError: shapes that do not fit.
            ConfigError: the groups are empty (K = 0).
        """
        inside = self._inside(text_emb, image_index)
        groups = SimilarGroups(self.group_index, torch.empty(0))
        gaps = caption_gaps(text_emb, self.image_emb, inside, groups)
        self.total += torch.stack([gap.double().sum() for gap in gaps])

    def compute(self) -> dict[str, Tensor]:
        """ "GEG-Avg" and "GEG-Min", 0-d float64; NaN before the first caption.

        Raises:
            DataError: a position outside the images.
        """
        self._check_outside()
        average, minimum = self.total / self.captions
        return {"GEG-Avg": average, "GEG-Min": minimum}
