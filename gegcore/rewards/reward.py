"""What a reward is, and how rewards are combined (Eq. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gegcore.errors import ConfigError
from gegcore.rewards.group import ClipReward, check_positions


class Reward(Protocol):
    """Anything that scores captions: `(tokens (B, S, T), image_index (B,)) -> (B, S) float32`.

    `tokens` are word ids, 0-padded from the end token on; `image_index` are positions in the
    training split. No Python loop over captions, no host synchronisation.
    """

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor: ...


class WeightedReward:
    """The weighted sum of rewards: Eq. 7 is `{"cider": (alpha, ...), "geg_avg": (beta, ...)}`.

    Terms in CLIP's embedding space that share an encoder encode a batch once.

    Args:
        terms: name -> (weight, reward). The names label the parts in logs and figures.
    """

    def __init__(self, terms: Mapping[str, tuple[float, Reward]]) -> None:
        self.weighted = dict(terms)

    def to(self, device: torch.device | str) -> WeightedReward:
        """The same sum on another device; terms that are plain functions stay as they are."""
        moved = {
            name: (weight, reward.to(device) if isinstance(reward, nn.Module) else reward)
            for name, (weight, reward) in self.weighted.items()
        }
        return WeightedReward(moved)

    def parts(self, tokens: Tensor, image_index: Tensor) -> dict[str, Tensor]:
        """The unweighted value of each term, each `(B, S)`.

        Whatever precision the captioner trains in: samples of an image differ by less than half
        precision tells apart. A network in a reward chooses its own, as the text tower does.

        Raises:
            DataError: not one image position for each image.
            ConfigError: as `check_reward`.
        """
        check_positions(tokens, image_index)
        embed = cache(lambda encoder: encoder(tokens))
        with torch.autocast(tokens.device.type, enabled=False):
            found = {
                name: reward.score(embed(reward.encoder), image_index)
                if isinstance(reward, ClipReward)
                else reward(tokens, image_index)
                for name, (_, reward) in self.weighted.items()
            }
        return {name: check_reward(name, value, tokens) for name, value in found.items()}

    def combine(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum `(B, S)` of values from `parts`."""
        weighted = [weight * parts[name] for name, (weight, _) in self.weighted.items()]
        return torch.stack(weighted).sum(0)

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        return self.combine(self.parts(tokens, image_index))


def check_reward(name: str, value: Any, tokens: Tensor) -> Tensor:
    """What a reward returned for captions `(B, S, T)`; on a GPU nothing waits for its values.

    Returns: floats `(B, S)`; numbers and truth values that a reward counts become float32.

    Raises:
        ConfigError: it is no tensor `(B, S)`.
    """
    wanted = tuple(tokens.shape[:2])
    if not isinstance(value, Tensor):
        given = f"a {type(value).__name__}"
    elif value.shape != wanted:
        given = f"a tensor of shape {tuple(value.shape)}"
    else:
        return value if value.is_floating_point() else value.float()
    fix = f"return one number for each caption, here a tensor of shape {wanted}"
    raise ConfigError(f"reward '{name}' gives {given} for captions {tuple(tokens.shape)}", fix)
