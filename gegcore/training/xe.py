"""Cross-entropy training (MLE): teacher forcing and its loss."""

from __future__ import annotations

import math
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
    most, padding = max(map(len, captions)), [0] * max_len
    groups = [[group[j % len(group)] for j in range(most)] for group in captions]
    return torch.tensor([[[*words, *padding][:max_len] for words in group] for group in groups])


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
    vocab, real = logits.shape[-1], targets != IGNORED
    loss = nn.functional.cross_entropy(
        logits.reshape(-1, vocab),
        targets.reshape(-1),
        ignore_index=IGNORED,
        reduction=reduction,
        label_smoothing=label_smoothing * vocab / (vocab - 1),  # torch's is of all V words
    )
    shares = {1 - label_smoothing: 1, label_smoothing / (vocab - 1): vocab - 1}
    entropy = -sum(words * p * math.log(p) for p, words in shares.items() if p > 0)
    return loss - entropy * (1 if reduction == "mean" else real.sum(dtype=loss.dtype))
