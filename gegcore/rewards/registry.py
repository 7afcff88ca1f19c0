"""The rewards that a profile can name (Eq. 7), and how they are built for a training split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from torch import Tensor

from gegcore import registry
from gegcore.clip import ClipModel, WordToBpe
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError
from gegcore.groups import SimilarGroups
from gegcore.rewards.cider import CiderD, TokenLists
from gegcore.rewards.group import CaptionEncoder, GroupEmbeddingGapReward, SimilarityReward
from gegcore.rewards.reward import Reward, WeightedReward


@dataclass(frozen=True)
class RewardInputs:
    """What a reward may need of the training split.

    Attributes:
        vocabulary: of the word ids that it scores.
        references: reference captions of every image, as word ids.
        clip: lives on the device of the rewards.
        images: `(N, E)` CLIP embeddings, L2-normalised.
        groups: the K similar images of each.
        count_end: whether the end token counts in CIDEr-D.
    """

    vocabulary: Vocabulary
    references: TokenLists
    clip: ClipModel
    images: Tensor
    groups: SimilarGroups
    count_end: bool = True

    @cached_property
    def encoder(self) -> CaptionEncoder:
        """Word ids -> CLIP embeddings; one for all rewards, so that a batch is encoded once."""
        lookup = WordToBpe(self.vocabulary.words, self.clip.tokenizer)
        return CaptionEncoder(self.clip, lookup).to(self.clip.device)


REWARDS: dict[str, Callable[[RewardInputs], Reward]] = {
    "cider": lambda given: CiderD(
        given.references, len(given.vocabulary), count_end=given.count_end
    ),
    "geg_avg": lambda given: GroupEmbeddingGapReward(
        given.encoder, given.images, given.groups.index, "avg"
    ),
    "geg_min": lambda given: GroupEmbeddingGapReward(
        given.encoder, given.images, given.groups.index, "min"
    ),
    "similarity": lambda given: SimilarityReward(given.encoder, given.images),
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
        ConfigError: nothing is rewarded, or a name stands for no reward.
    """
    terms = {
        name: (weight, own[name] if name in own else _build(name, given))
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
    if not callable(found):
        raise ConfigError(f"reward '{name}' cannot be called", "name a function or a class")
    return found(given) if name in REWARDS or isinstance(found, type) else found
