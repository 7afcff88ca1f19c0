"""The rewards that a profile can name (Eq. 7), and how they are built for a training split."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gegcore import registry
from gegcore.errors import ConfigError
from gegcore.rewards.cider import cider_reward
from gegcore.rewards.group import geg_avg, geg_min, similarity_reward
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.reward import Reward, WeightedReward

REWARDS: dict[str, Callable[[RewardInputs], Reward]] = {
    "cider": cider_reward,
    "geg_avg": geg_avg,
    "geg_min": geg_min,
    "similarity": similarity_reward,
}
"""Name -> what builds it; a new reward adds one line here, or in a profile."""


def build_rewards(
    weights: Mapping[str, float],
    given: RewardInputs,
    own: Mapping[str, Reward] = MappingProxyType({}),
) -> WeightedReward:
    """The weighted sum of Eq. 7.

    A name is in `REWARDS`, or it is `package.module:object`: a function `(tokens (B, S, T),
    image_index (B,)) -> (B, S)`, or a class with such a `__call__`, which is constructed with the
    `RewardInputs`.

    Args:
        weights: name -> weight; a term of weight 0 is left out.
        own: name -> reward, of rewards that have no importable name.

    Raises:
        ConfigError: nothing is rewarded, a name stands for no reward, or one cannot be called.
    """
    terms = {
        name: (weight, _callable(name, own[name]) if name in own else _build(name, given))
        for name, weight in weights.items()
        if weight != 0
    }
    if not terms:
        raise ConfigError(
            "all rewards have weight 0: there is nothing to reward",
            "give one of the objective's `rewards` a weight",
        )
    return WeightedReward(terms)


def _build(name: str, given: RewardInputs) -> Reward:
    found: Any = registry.find("reward", name, REWARDS)
    if name in REWARDS:
        return REWARDS[name](given)
    if not isinstance(found, type):
        return _callable(name, found)
    if not _takes(found, given):
        what = f"reward '{name}' cannot be constructed with the RewardInputs alone"
        raise ConfigError(what, "give the class `def __init__(self, given)`")
    return _callable(name, found(given))


def _callable(name: str, reward: Any) -> Reward:
    if not callable(reward):
        fix = "name a function, or a class with `def __call__(self, tokens, image_index)`"
        what = f"reward '{name}' cannot be called: it is a {type(reward).__name__}"
        raise ConfigError(what, fix)
    if not _takes(reward, None, None):
        what = f"reward '{name}' cannot be called with word ids and image positions"
        raise ConfigError(what, "let it take exactly these two: `(tokens, image_index)`")
    found: Reward = reward
    return found


def _takes(function: Any, *arguments: Any) -> bool:
    """Whether it can be called with these; of one whose signature is not known: yes."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
