"""Learning rate as a pure function of the step, so that resuming needs no scheduler state."""

from __future__ import annotations

import math

from gegcore.training.config import ObjectiveConfig


def learning_rate(config: ObjectiveConfig, step: int, total_steps: int) -> float:
    """Rate of optimiser step `step` (from 0): linear warm-up, then what the schedule says.

    "constant"; "cosine" to 0; "step": times `decay` every `decay_every` epochs; "noam": as one
    over the root of the step, Vaswani et al. 2017, Eq. 3, with `learning_rate` as its peak.
    """
    rate, warmup = config.learning_rate, config.warmup_steps
    if step < warmup:
        return rate * (step + 1) / warmup
    if config.schedule == "constant":
        return rate
    if config.schedule == "noam":
        return rate * math.sqrt(max(1, warmup) / (step + 1))
    if config.schedule == "step":
        epoch = step * config.epochs // total_steps
        return rate * config.decay ** (epoch // config.decay_every)
    span = max(1, total_steps - warmup)
    return rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / span))
