"""Self-critical sequence training: the policy gradient of Eq. 5 and 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from gegcore.decoding import said_mask
from gegcore.endings import bad_ending_rate
from gegcore.errors import ConfigError

Baseline = Literal["greedy", "mean_of_others"]


def self_critical_advantage(samples: Tensor, greedy: Tensor, baseline: Baseline) -> Tensor:
    """r(c) minus the baseline, the bracket of Eq. 5: `(B, S)`.

    Args:
        samples: `(B, S)` rewards of sampled captions.
        greedy: `(B,)` rewards of the greedy captions, the paper's baseline.
        baseline: "greedy" (Eq. 5) or "mean_of_others": the mean reward of the image's other S - 1
            samples, which is unbiased too.

    Raises:
        ConfigError: the mean of the others of a single sample.
    """
    if baseline == "greedy":
        return samples - greedy[:, None]
    if samples.shape[1] == 1:
        raise ConfigError("a single sample has no others", "draw 2 or more, or choose greedy")
    others = (samples.sum(1, keepdim=True) - samples) / (samples.shape[1] - 1)
    return samples - others


def self_critical_loss(
    log_probs: Tensor,
    advantage: Tensor,
    mask: Tensor,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Surrogate whose gradient is Eq. 6, a scalar: minus advantage times log-probability.

    Args:
        log_probs: `(B, S, T)` log P of each sampled token, with gradient.
        advantage: `(B, S)`, without gradient, constant along a caption.
        mask: `(B, S, T)` bool, true for words and the end token.
        reduction: over real tokens; X-modaler takes the mean.
    """
    total = (-advantage[..., None] * log_probs * mask).sum()
    return total / mask.sum() if reduction == "mean" else total


def policy_health(
    parts: Mapping[str, Tensor],
    reward: Tensor,
    advantage: Tensor,
    log_probs: Tensor,
    samples: Tensor,
    bad_endings: Tensor,
) -> dict[str, Tensor]:
    """What tells a healthy policy gradient from a collapsing one: means over images.

    They are 0-d tensors on the device; nothing waits for them.

    Shapes: parts, each (B, 1 + S), and reward (B, 1 + S): the greedy caption first; advantage
    (B, S); log_probs and samples (B, S, T); bad_endings (W,) word ids.

    Returns: `reward/<part>` and `reward_std/<part>` of the samples (the spread is that among the
    samples of an image), `reward` and `reward_std` of their weighted sum, `reward_greedy`,
    `positive_advantage` (share of samples), `length` in words, `entropy` in nats per word (the mean
    negative log-probability of what was sampled estimates it), `distinct` (share of an image's
    samples that repeat none before them) and shares of samples: `bad_endings`, whose last word is
    one of those given, `empty`, without a word, and `unfinished`, cut off before an end token.
    """
    said = said_mask(samples)
    length = (samples > 0).sum(-1)
    same = (samples[:, :, None] == samples[:, None]).all(-1)
    drawn = {f"/{name}": value[:, 1:] for name, value in parts.items()} | {"": reward[:, 1:]}
    means = {f"reward{name}": value.mean() for name, value in drawn.items()}
    spreads = {f"reward_std{n}": value.std(1, correction=0).mean() for n, value in drawn.items()}
    return {
        **means,
        **spreads,
        "reward_greedy": reward[:, 0].mean(),
        "positive_advantage": (advantage > 0).float().mean(),
        "length": length.float().mean(),
        "entropy": (-(log_probs * said).sum(-1) / said.sum(-1)).mean(),
        "distinct": (~same.tril(-1).any(-1)).float().mean(),
        "bad_endings": bad_ending_rate(samples, bad_endings),
        "empty": (length == 0).float().mean(),
        # Decoding stops once every caption has ended: without end token none is shorter than T.
        "unfinished": (length == samples.shape[-1]).float().mean(),
    }


def caption_variety(captions: Tensor) -> dict[str, Tensor]:
    """Whether the captions `(B, T)` of different images are alike: 0-d tensors on the device.

    Returns: `opening`, the share that begins with the commonest first two words, and `different`,
    the share that repeats none before it. A collapsed policy says one phrase of everything. Both
    depend on B: compare batches of one size.
    """
    alike = captions[:, None] == captions
    return {
        "opening": alike[..., :2].all(-1).float().mean(-1).max(),
        "different": (~alike.all(-1).tril(-1).any(-1)).float().mean(),
    }
