"""R@K-CLIP (Sec. 3.3): how often a caption retrieves its own image in its split."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.errors import DataError

_BLOCK_ELEMENTS = 1 << 24  # similarities held at once (128 MiB of float64)

TIE = 1e-9
"""Rounding of an inner product of unit vectors in float64; closer scores are equal scores."""

TIE_RULE = "images that tie with the own image are ranked before it"


def retrieval_ranks(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, chunk: int | None = None
) -> Tensor:
    """Rank of each caption's own image among all images, `(M,)` int64, 0 = retrieved first.

    Ranks are counted, not sorted: the number of other images whose similarity is not lower than
    the own image's. So ties count against the caption, and captions that say the same of every
    image (or embeddings that are NaN) never look good. Similarities are taken in float64, which
    makes the ranks independent of `chunk`.

    Args:
        text_emb: captions `(M, E)`, L2-normalised; several may belong to one image.
        image_emb: all images `(N, E)`, L2-normalised.
        image_index: `(M,)` int64, position of each caption's image.
        chunk: captions compared at once; by default as many as fit in 128 MiB.

    Raises:
        DataError: no images, shapes that do not fit, or a position outside the images.

    Source: paper Sec. 3.3 (R@K-CLIP).
    """
    check_shapes(text_emb, image_emb, image_index)
    images = len(image_emb)
    if len(image_index) and not 0 <= int(image_index.min()) <= int(image_index.max()) < images:
        what = f"a caption belongs to an image outside the {images} images"
        raise DataError(what, "pass the embeddings of every captioned image")
    return count_ranks(text_emb, image_emb, image_index, chunk)


def count_ranks(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, chunk: int | None = None
) -> Tensor:
    """`retrieval_ranks` of arguments known to fit: the host waits for nothing on a GPU."""
    images = image_emb.to(text_emb.device).double()
    rows = chunk or max(1, _BLOCK_ELEMENTS // len(images))
    ranks = [torch.zeros(0, dtype=torch.long, device=images.device)]
    for start in range(0, len(text_emb), rows):
        scores = text_emb[start : start + rows].double() @ images.T  # (b, N)
        own = scores.gather(1, image_index[start : start + rows, None].to(scores.device))
        lower = (scores < own - TIE).sum(dim=1)
        ranks.append(len(images) - 1 - lower)
    return torch.cat(ranks)


def recall_at(ranks: Tensor, k: int) -> float:
    """Share of captions whose own image is among the first `k`, in [0, 1]."""
    return (ranks < k).double().mean().item()


def check_shapes(text_emb: Tensor, image_emb: Tensor, image_index: Tensor) -> None:
    """Captions `(M, E)`, images `(N, E)` and positions `(M,)` fit, whatever their values.

    Raises:
        DataError: they do not, or there is no image.
    """
    fits = text_emb.ndim == image_emb.ndim == 2 and text_emb.shape[1] == image_emb.shape[1]
    if not fits or len(image_emb) == 0:
        captions, images = tuple(text_emb.shape), tuple(image_emb.shape)
        what = f"captions {captions} cannot retrieve from images {images}"
        raise DataError(what, "pass (M, E) and (N, E) embeddings of the same CLIP model, N >= 1")
    if image_index.shape != text_emb.shape[:1]:
        what = f"{len(text_emb)} captions but image positions {tuple(image_index.shape)}"
        raise DataError(what, "give one image position for each caption")
