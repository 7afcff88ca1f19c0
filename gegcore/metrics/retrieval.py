"""R@K-CLIP: how often a caption finds its own image (Sec. 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.errors import DataError

_BLOCK_ELEMENTS = 1 << 25


def retrieval_ranks(text_emb: Tensor, image_emb: Tensor, own_image: Tensor) -> Tensor:
    """Rank of each caption's own image among all images of the split, 0 = first.

    Ranks are counted, not sorted: the number of other images that score at least as high. A tie
    therefore counts against the caption: a model that says the same of two identical images has
    not told them apart.

    Args:
        text_emb: `(M, E)` L2-normalised captions; an image may have several.
        image_emb: `(N, E)` L2-normalised images of the split.
        own_image: `(M,)` int64, position of each caption's image.

    Returns:
        `(M,)` int64 in 0..N-1, on the device of `text_emb`.

    Raises:
        DataError: shapes that do not fit, or a position outside the split.
    """
    if text_emb.shape[0] != own_image.shape[0] or text_emb.shape[1:] != image_emb.shape[1:]:
        raise DataError(
            f"captions {tuple(text_emb.shape)}, images {tuple(image_emb.shape)} and positions "
            f"{tuple(own_image.shape)} do not fit together",
            "give one position for each caption, and embeddings of one CLIP",
        )
    if len(own_image) and not 0 <= int(own_image.min()) <= int(own_image.max()) < len(image_emb):
        raise DataError("a caption belongs to an image outside the split",
                        "rank captions among the images of their own split")
    images, rows = image_emb.float(), max(1, _BLOCK_ELEMENTS // max(1, len(image_emb)))
    ranks = []
    for start in range(0, len(text_emb), rows):
        own = own_image[start : start + rows, None].to(text_emb.device)
        scores = text_emb[start : start + rows].float() @ images.T.to(text_emb.device)
        at_least = (scores >= scores.gather(1, own)).sum(1)
        ranks.append(at_least - 1)  # without the image itself
    return torch.cat(ranks) if ranks else own_image.new_zeros(0)


def recall_at(ranks: Tensor, k: int) -> float:
    """Share of captions whose own image is among the first K, in 0..1."""
    return (ranks < k).double().mean().item()
