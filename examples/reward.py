"""A reward of one's own: one file, and one line of a profile that names it.

    objectives: {scst: {rewards: {cider: 1, "examples.reward:distinct_words": 0.5}}}

Or without a profile: `run_experiment(profile, "updown", "scst", 1, reward=distinct_words)`.
"""

import torch
from torch import Tensor

from gegcore.rewards import RewardInputs


def distinct_words(tokens: Tensor, image_index: Tensor) -> Tensor:
    """Share of a caption's words that it has not said before: word ids `(B, S, T)` -> `(B, S)`."""
    said = tokens > 0
    again = (tokens[..., :, None] == tokens[..., None, :]).tril(-1).any(-1)
    return (said & ~again).sum(-1) / said.sum(-1).clamp(min=1)


class LengthPenalty:
    """Minus the words that a caption has more or less than its image's references on average.

    A class is constructed with all that is known of the training split.
    """

    def __init__(self, given: RewardInputs) -> None:
        means = [sum(map(len, image)) / len(image) for image in given.references]
        self.length = torch.tensor(means, device=given.clip.device)

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        return -((tokens > 0).sum(-1) - self.length[image_index, None]).abs()
