"""Self-critical sequence training: the policy gradient of Eq. 5 and 6."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Baseline = Literal["greedy", "mean_of_others"]


def self_critical_advantage(samples: Tensor, greedy: Tensor, baseline: Baseline) -> Tensor:
    """r(c) minus the baseline, the bracket of Eq. 5.

    Args:
        samples: `(B, S)` rewards of sampled captions.
        greedy: `(B,)` rewards of the greedy captions, the paper's baseline.
        baseline: "greedy" (Eq. 5) or "mean_of_others": the mean reward of the image's other S - 1
            samples, which is unbiased too and centred where greedy captions are hard to beat.

    Returns:
        `(B, S)`.
    """
    if baseline == "greedy" or samples.shape[1] == 1:
        return samples - greedy[:, None]
    others = (samples.sum(1, keepdim=True) - samples) / (samples.shape[1] - 1)
    return samples - others


def self_critical_loss(
    log_probs: Tensor,
    advantage: Tensor,
    mask: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Surrogate whose gradient is Eq. 6: minus advantage times log-probability.

    Args:
        log_probs: `(B, S, T)` log P of each sampled token, with gradient.
        advantage: `(B, S)`, without gradient, constant along a caption.
        mask: `(B, S, T)` bool, true for words and the end token.
        reduction: over real tokens; X-modaler takes the mean.

    Returns:
        Scalar.
    """
    total = (-advantage[..., None] * log_probs * mask).sum()
    return total / mask.sum() if reduction == "mean" else total
