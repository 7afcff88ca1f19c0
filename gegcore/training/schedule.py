"""Learning rate as a pure function of the step, so that resuming needs no scheduler state."""

from __future__ import annotations

import math

from gegcore.training.config import ObjectiveConfig


def learning_rate(config: ObjectiveConfig, step: int, total_steps: int) -> float:
    """Rate of optimiser step `step` (from 0): linear warm-up, then constant or cosine to 0."""
    rate = config.learning_rate
    if step < config.warmup_steps:
        return rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return rate
    span = max(1, total_steps - config.warmup_steps)
    return rate * 0.5 * (1 + math.cos(math.pi * (step - config.warmup_steps) / span))
