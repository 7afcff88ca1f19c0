"""Scheduled sampling: recurrent captioners learn to go on from their own words, too."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.errors import ConfigError
from gegcore.models.captioner import Captioner, Memory
from gegcore.models.transformer_decoder import KeyValueState
from gegcore.training.config import ScheduledSampling


def scheduled_probability(config: ScheduledSampling, epoch: int) -> float:
    """Probability that an input word is the model's own in an epoch (from 0); X-modaler's steps."""
    raised = max(0, epoch - config.start) // config.every
    return min(config.increase * raised, config.most)


def scheduled_logits(
    model: Captioner,
    memory: Memory,
    inputs: Tensor,
    probability: float,
    coins: Tensor,
    numbers: Tensor,
) -> Tensor:
    """Logits `(B, C, T, V)` of scheduled sampling: some input words are the model's own.

    Every input word but the first is replaced, independently and with the given probability, by a
    draw from the model's distribution at this position, without gradient; targets stay.

    Args:
        inputs: `(B, C, T)` of teacher forcing.
        coins: `(B, C, T)` uniform in [0, 1): own word where below the probability.
        numbers: `(B, C, T)` float64, uniform in [0, 1): what the draws are made from.

    Raises:
        ConfigError: the captioner is a Transformer: all its words are fed at once.

    Source: Bengio et al. 2015; X-modaler's RNN encoder-decoders.
    """
    images, copies, length = inputs.shape
    state = model.start(memory, copies, length)
    if isinstance(state, KeyValueState):
        raise ConfigError(
            "scheduled sampling feeds one word after the other, which this captioner does not",
            "remove scheduled_sampling, or train a recurrent captioner such as updown",
        )
    given, coins, numbers = (x.flatten(0, 1) for x in (inputs, coins, numbers))
    words, logits = given[:, 0], []
    for t in range(length):
        step_logits, state = model.step(words, state)
        logits.append(step_logits)
        if t + 1 < length:
            total = step_logits.detach().softmax(-1, dtype=torch.float64).cumsum(-1)
            point = numbers[:, t + 1, None] * total[:, -1:]
            own = torch.searchsorted(total, point, right=True)[:, 0]
            own = own.clamp(max=total.shape[-1] - 1)  # all NaN: a guard says so at the next window
            words = torch.where(coins[:, t + 1] < probability, own, given[:, t + 1])
    return torch.stack(logits, 1).view(images, copies, length, -1)
