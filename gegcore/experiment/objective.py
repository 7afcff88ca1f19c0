"""From an objective's settings and the prepared materials to its loss and rewards (Eq. 5-7)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from gegcore.endings import ending_ids
from gegcore.materials import Materials
from gegcore.models.captioner import Captioner
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.registry import build_rewards
from gegcore.rewards.reward import Reward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, Objective, SelfCriticalObjective
from gegcore.training.own_loss import loss_class, loss_settings
from gegcore.training.xe import caption_tensor


@dataclass(frozen=True)
class LossInputs:
    """What a loss may need of the training split; what is not asked for is not opened.

    Attributes:
        own: rewards of the config that have no importable name.
        start: the captioner with the weights that training starts from.
    """

    materials: Materials
    config: ObjectiveConfig
    own: Mapping[str, Reward] = field(default_factory=dict)
    start: Captioner | None = None

    @cached_property
    def given(self) -> RewardInputs:
        """What rewards are made from."""
        materials = self.materials
        table = materials.tables["train"]
        return RewardInputs(
            materials.vocabulary,
            materials.references("train"),
            materials.clip.rewarding,
            table.images,
            materials.groups["train"],
            self.config.count_end,
            table.captions,
        )

    def cross_entropy(self) -> dict[str, Any]:
        """Arguments of `CrossEntropyObjective`."""
        captions = caption_tensor(
            self.materials.references("train"), self.materials.profile.max_len
        )
        return {
            "features": self.materials.features["train"],
            "captions": captions.to(self.materials.device),
            "config": self.config,
        }

    def self_critical(self) -> dict[str, Any]:
        """Arguments of `SelfCriticalObjective`."""
        device, given = self.materials.device, self.given
        return {
            "features": self.materials.features["train"],
            "reward": build_rewards(self.config.rewards, given, self.own).to(device),
            "config": self.config,
            "max_len": self.materials.profile.max_len,
            "forbid": given.vocabulary.forbidden,
            "device": device,
            "bad_endings": ending_ids(given.vocabulary.words).to(device),
        }

    def reference_model(self) -> Captioner:
        """A frozen copy of the captioner as training starts from it: pi_ref."""
        assert self.start is not None
        return deepcopy(self.start).requires_grad_(False).eval()


def build_objective(
    materials: Materials,
    config: ObjectiveConfig,
    own: Mapping[str, Reward] = MappingProxyType({}),
    start: Captioner | None = None,
) -> Objective:
    """The loss that a config describes, over the training split, on the materials' device.

    Args:
        own, start: see `LossInputs`.

    Raises:
        ConfigError: a self-critical objective that rewards nothing, or an unknown loss or reward.
    """
    inputs = LossInputs(materials, config, own, start)
    if config.loss == "cross_entropy":
        return CrossEntropyObjective(**inputs.cross_entropy())
    if config.loss == "self_critical":
        return SelfCriticalObjective(**inputs.self_critical())
    built: Objective = loss_class(config.loss)(inputs, loss_settings(config))
    return built
