"""From an objective's settings and the prepared materials to its loss and rewards (Eq. 5-7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from torch import Tensor

from gegcore.clip import WordToBpe
from gegcore.data.vocabulary import Vocabulary
from gegcore.endings import ending_ids
from gegcore.experiment.references import reference_ids
from gegcore.groups import SimilarGroups
from gegcore.materials import Materials
from gegcore.rewards.group import CaptionEncoder
from gegcore.rewards.registry import build_rewards
from gegcore.rewards.reward import Reward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, Objective, SelfCriticalObjective
from gegcore.training.xe import caption_tensor


@dataclass(frozen=True)
class TrainingSplit:
    """The `RewardInputs` of the prepared materials."""

    materials: Materials
    references: list[list[list[int]]]
    count_end: bool

    @property
    def vocabulary(self) -> Vocabulary:
        return self.materials.vocabulary

    @property
    def images(self) -> Tensor:
        return self.materials.tables["train"].images

    @property
    def groups(self) -> SimilarGroups:
        return self.materials.groups["train"]

    @cached_property
    def encoder(self) -> CaptionEncoder:
        lookup = WordToBpe(self.vocabulary.words, self.materials.clip.tokenizer)
        return CaptionEncoder(self.materials.clip, lookup).to(self.materials.device)


def build_objective(
    materials: Materials,
    config: ObjectiveConfig,
    own: Mapping[str, Reward] = MappingProxyType({}),
) -> Objective:
    """The loss that a config describes, over the training split, on the materials' device.

    Args:
        own: rewards of the config that have no importable name.

    Raises:
        ConfigError: a self-critical objective that rewards nothing, or an unknown reward.
    """
    features, device = materials.features["train"], materials.device
    references = reference_ids(materials, "train")
    if config.loss == "cross_entropy":
        captions = caption_tensor(references, materials.profile.max_len)
        return CrossEntropyObjective(features, captions.to(device), config)
    vocabulary = materials.vocabulary
    split = TrainingSplit(materials, references, config.count_end)
    return SelfCriticalObjective(
        features,
        build_rewards(config.rewards, split, own).to(device),
        config,
        materials.profile.max_len,
        (vocabulary.unknown_id,),
        device,
        ending_ids(vocabulary.words).to(device),
    )
