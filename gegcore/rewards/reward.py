"""What a reward is, and how rewards are combined (Eq. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Reward(Protocol):
    """Anything that scores captions: `(tokens (B, S, T), image_index (B,)) -> (B, S) float32`.

    `tokens` are word ids, 0-padded from the end token on; `image_index` are positions in the
    training split. No Python loop over captions, no host synchronisation.
    """

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor: ...


class WeightedReward:
    """The weighted sum of rewards: Eq. 7 is `WeightedReward(cider=(alpha, ...), geg=(beta, ...))`.

    Args:
        terms: name -> (weight, reward). The names label the parts in logs and figures.
    """

    def __init__(self, terms: Mapping[str, tuple[float, Reward]]) -> None:
        self.weighted = dict(terms)

    def parts(self, tokens: Tensor, image_index: Tensor) -> dict[str, Tensor]:
        """The unweighted value of each term, each `(B, S)`."""
        return {name: reward(tokens, image_index) for name, (_, reward) in self.weighted.items()}

    def combine(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum `(B, S)` of values from `parts`."""
        weighted = [weight * parts[name] for name, (weight, _) in self.weighted.items()]
        return torch.stack(weighted).sum(0)

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        return self.combine(self.parts(tokens, image_index))
