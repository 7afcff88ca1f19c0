"""R@K-CLIP and the Group Embedding Gap as torchmetrics: they accumulate and sync under DDP."""

from __future__ import annotations

from abc import abstractmethod
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
    """R@K-CLIP, the functional twin of `CLIPRecall`; arguments as in `retrieval_ranks`.

    Returns: "R@K" -> 0-d share of captions in [0, 1] whose own image is among the first K.
    """
    ranks = retrieval_ranks(text_emb, image_emb, image_index)
    return {f"R@{at}": (ranks < at).float().mean() for at in k}


class _CaptionMetric(Metric):
    """Means over captions of images that are all given at construction; DDP adds up the sums."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    image_emb: Tensor
    total: Tensor
    captions: Tensor
    outside: Tensor

    def __init__(self, image_emb: Tensor, names: Sequence[str], dtype: torch.dtype, **options: Any):
        super().__init__(**options)
        self.names = names
        self.register_buffer("image_emb", image_emb, persistent=False)
        self.add_state("total", torch.zeros(len(names), dtype=dtype), dist_reduce_fx="sum")
        self.add_state("captions", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("outside", torch.tensor(0), dist_reduce_fx="sum")

    @abstractmethod
    def _sums(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        """Of the values of captions, one sum a name."""

    def update(self, text_emb: Tensor, image_index: Tensor) -> None:
        """Count captions `(M, E)`, L2-normalised, of the images at positions `(M,)`.

        To look at the positions, the host would have to wait for the GPU. So those outside the
        images are counted here, and `compute` raises.

        Raises:
            DataError: shapes that do not fit.
            ConfigError: groups are empty (K = 0).
        """
        check_shapes(text_emb, self.image_emb, image_index)
        inside = image_index.to(self.image_emb.device).clamp(0, len(self.image_emb) - 1)
        self.captions += len(inside)
        self.outside += (inside != image_index.to(inside.device)).sum()
        self.total += self._sums(text_emb, inside)

    def compute(self) -> dict[str, Tensor]:
        """Name -> 0-d mean; NaN before the first caption.

        Raises:
            DataError: a position outside the images.
        """
        if self.outside > 0:
            what = f"{int(self.outside)} captions belong to images outside the"
            fix = "pass the embeddings of every captioned image"
            raise DataError(f"{what} {len(self.image_emb)} images", fix)
        return dict(zip(self.names, self.total / self.captions, strict=True))


class CLIPRecall(_CaptionMetric):
    """R@K-CLIP of a split: any batches and number of processes give the same value.

    >>> gallery = torch.eye(3)
    >>> recall = CLIPRecall(gallery, k=(1, 2))
    >>> recall.update(gallery[[0, 2]], torch.tensor([0, 1]))
    >>> recall.compute()
    {'R@1': tensor(0.5000), 'R@2': tensor(0.5000)}

    Args:
        image_emb: all images `(N, E)`, L2-normalised.
        k: the K of R@K.

    Raises:
        ConfigError: no K, or one below 1.

    Source: paper Sec. 3.3.
    """

    at: Tensor

    def __init__(self, image_emb: Tensor, k: Sequence[int] = (1, 5, 10), **options: Any) -> None:
        super().__init__(image_emb, [f"R@{at}" for at in k], torch.long, **options)
        if not k or min(k) < 1:
            raise ConfigError(f"R@K of K = {list(k)} is not defined", "use K >= 1")
        self.register_buffer("at", torch.tensor(tuple(k)), persistent=False)

    def _sums(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        ranks = count_ranks(text_emb, self.image_emb, image_index)
        return (ranks[:, None] < self.at).sum(dim=0)


class GroupEmbeddingGap(_CaptionMetric):
    """Mean GEG-Avg and GEG-Min (Eq. 3 and 4); `gegcore.gap.group_embedding_gap` is its twin.

    Args:
        image_emb: all images `(N, E)`, L2-normalised.
        group_index: `(N, K)` int64, positions of the similar images of each.

    Raises:
        DataError: groups of another number of images, or with a position outside them.

    Source: paper Sec. 3.3, Eq. 3 and Eq. 4.
    """

    group_index: Tensor

    def __init__(self, image_emb: Tensor, group_index: Tensor, **options: Any) -> None:
        super().__init__(image_emb, ("GEG-Avg", "GEG-Min"), torch.float64, **options)
        images, shape = len(image_emb), tuple(group_index.shape)
        known = (group_index >= 0) & (group_index < images)
        if len(shape) != 2 or shape[0] != images or not known.all():
            what = f"similar-image groups {shape} are not those of {images} images"
            raise DataError(what, "compute the groups from these very embeddings")
        self.register_buffer("group_index", group_index, persistent=False)

    def _sums(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        groups = SimilarGroups(self.group_index, torch.empty(0))
        gaps = caption_gaps(text_emb, self.image_emb, image_index, groups)
        return torch.stack([gap.double().sum() for gap in gaps])
