"""What tells a healthy policy gradient from a collapsing one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gegcore.decoding import said_mask
from gegcore.endings import bad_ending_rate


def policy_health(
    parts: Mapping[str, Tensor],
    reward: Tensor,
    advantage: Tensor,
    log_probs: Tensor,
    samples: Tensor,
    bad_endings: Tensor,
) -> dict[str, Tensor]:
    """Means over images, as 0-d tensors on the device; nothing waits for them.

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
