"""From an objective's settings and the prepared materials to its loss and rewards (Eq. 5-7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gegcore.endings import ending_ids
from gegcore.materials import Materials
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.registry import build_rewards
from gegcore.rewards.reward import Reward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, Objective, SelfCriticalObjective
from gegcore.training.xe import caption_tensor


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
    features, device, profile = materials.features["train"], materials.device, materials.profile
    if config.loss == "cross_entropy":
        captions = caption_tensor(materials.references("train"), profile.max_len)
        return CrossEntropyObjective(features, captions.to(device), config)
    given = RewardInputs(
        materials.vocabulary,
        materials.references("train"),
        materials.clip.rewarding,
        materials.tables["train"].images,
        materials.groups["train"],
        config.count_end,
    )
    return SelfCriticalObjective(
        features,
        build_rewards(config.rewards, given, own).to(device),
        config,
        profile.max_len,
        (given.vocabulary.unknown_id,),
        device,
        ending_ids(given.vocabulary.words).to(device),
    )
