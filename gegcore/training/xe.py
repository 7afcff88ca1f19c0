"""Cross-entropy training (MLE): teacher forcing and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gegcore.models.captioner import shift_right

IGNORED = -1
"""Target of positions without a word."""


def caption_tensor(captions: Sequence[Sequence[Sequence[int]]], max_len: int) -> Tensor:
    """Stack word ids into `(N, C, max_len)` int64: words, then 0 as the end token and padding.

    Captions of more than `max_len` words are cut (they then have no end token); images with fewer
    than C captions repeat theirs, so that every image has C.
    """
    most = max(len(group) for group in captions)
    stacked = torch.zeros(len(captions), most, max_len, dtype=torch.long)
    for i, group in enumerate(captions):
        for j in range(most):
            words = group[j % len(group)][:max_len]
            stacked[i, j, : len(words)] = torch.tensor(words, dtype=torch.long)
    return stacked


def teacher_forcing(captions: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets of teacher forcing, both `(..., T)` for 0-padded captions `(..., T)`.

    Inputs are `0 w1 .. wn`, targets `w1 .. wn 0` and then -1 (X-modaler's convention).
    """
    inputs = shift_right(captions)
    ended_before = (inputs[..., 1:] == 0).long().cumsum(-1) > 0
    targets = captions.clone()
    targets[..., 1:] = targets[..., 1:].masked_fill(ended_before, IGNORED)
    return inputs, targets


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Negative log-likelihood of the target words, optionally with smoothed labels: a scalar.

    With smoothing s it is the KL divergence to a distribution with 1 - s on the target word and
    s / (V - 1) on every other word, as X-modaler has it.

    Args:
        logits: `(..., V)`.
        targets: `(...)` int64, -1 where there is no target.
        reduction: over real targets; X-modaler takes the mean.
    """
    vocab = logits.shape[-1]
    flat, wanted = logits.reshape(-1, vocab), targets.reshape(-1)
    if label_smoothing == 0:
        return nn.functional.cross_entropy(flat, wanted, ignore_index=IGNORED, reduction=reduction)
    log_probs = flat.log_softmax(-1)
    real = wanted != IGNORED
    other = label_smoothing / (vocab - 1)
    at_target = log_probs.gather(-1, wanted.clamp(min=0)[:, None])[:, 0]
    expected = other * (log_probs.sum(-1) - at_target) + (1 - label_smoothing) * at_target
    smoothed = torch.tensor([1 - label_smoothing, *[other] * (vocab - 1)], dtype=torch.float64)
    entropy = -(smoothed * smoothed.log()).sum().item()
    total = ((-expected - entropy) * real).sum()
    return total / real.sum() if reduction == "mean" else total
