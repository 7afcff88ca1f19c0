"""The contrastive losses of CLIP and of SigLIP, with extra wrong texts."""

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


def sigmoid_loss(image: Tensor, text: Tensor, extra: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """SigLIP: every picture and text are asked for themselves whether they belong together.

    Args:
        image: `(B, E)` normalised.
        text: `(T * B, E)` normalised, T texts an image: text i belongs to image i modulo B.
        extra: `(X, E)` normalised, texts of no picture.
        scale: inverse temperature.
        bias: added to every logit.

    Returns:
        Minus the log-likelihood of all pairs over the number of positive ones, 0-d.

    Source: zhai2023siglip, Eq. 1 and Algorithm 1; open_clip's `SigLipLoss` for T = 1, X = 0.
    """
    logits = scale * image @ torch.cat([text, extra]).T + bias
    belongs = torch.eye(len(image), device=image.device).repeat(1, len(text) // len(image))
    sign = F.pad(2 * belongs - 1, (0, len(extra)), value=-1.0)
    return -F.logsigmoid(sign * logits).sum() / len(text)
