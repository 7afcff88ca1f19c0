"""The contrastive loss of CLIP with extra wrong texts for every image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(
    image: Tensor, text: Tensor, extra: Tensor, clean: Tensor, scale: Tensor
) -> Tensor:
    """Symmetric InfoNCE; each image also has to tell its clean text from all extra texts.

    Extra texts (wrong details, word lists, repetitions) have no picture, so they stand only in
    the softmax over texts, and only where the image's own text is clean: a noisy text need not
    beat a gamed one.

    Args:
        image: `(B, E)` normalised.
        text: `(B, E)` normalised, text i belongs to image i.
        extra: `(X, E)` normalised.
        clean: `(B,)` bool, whether text i is a clean one.
        scale: inverse temperature.

    Source: Radford et al. (2021), CLIP; hard text negatives as in Yuksekgonul et al. (2023),
    "When and Why Vision-Language Models Behave like Bags-Of-Words".
    """
    own = torch.arange(len(image), device=image.device)
    logits = scale * image @ text.T
    wrong = scale * image @ extra.T
    wrong = wrong.masked_fill(~clean[:, None], -torch.inf)
    over_texts = F.cross_entropy(torch.cat([logits, wrong], dim=1), own)
    over_images = F.cross_entropy(logits.T, own)
    return (over_texts + over_images) / 2
