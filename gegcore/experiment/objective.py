"""From an objective's settings and the prepared materials to its loss and rewards (Eq. 5-7)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from gegcore.clip import WordToBpe
from gegcore.data.vocabulary import Vocabulary
from gegcore.endings import ending_ids
from gegcore.errors import ConfigError
from gegcore.experiment.references import reference_ids
from gegcore.prepare import Materials
from gegcore.rewards import CiderD, GroupEmbeddingGapReward, SimilarityReward, WeightedReward
from gegcore.rewards.group import CaptionEncoder
from gegcore.rewards.reward import Reward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, Objective, SelfCriticalObjective
from gegcore.training.xe import caption_tensor


def build_objective(materials: Materials, config: ObjectiveConfig) -> Objective:
    """The loss that a config describes, over the training split, on the materials' device.

    Raises:
        ConfigError: a self-critical objective that rewards nothing.
    """
    features, device = materials.features["train"], materials.device
    references = reference_ids(materials, "train")
    if config.loss == "cross_entropy":
        captions = caption_tensor(references, materials.profile.max_len)
        return CrossEntropyObjective(features, captions.to(device), config)
    vocabulary = materials.vocabulary
    terms: dict[str, tuple[float, Reward]] = {}
    if config.alpha > 0:
        cider = CiderD(references, len(vocabulary), count_end=config.count_end)
        terms["cider"] = (config.alpha, cider.to(device))
    if config.clip_term is not None and config.beta > 0:
        terms[config.clip_term] = (config.beta, _clip_reward(materials, config, vocabulary))
    if not terms:
        raise ConfigError(
            "alpha and beta are both 0: there is nothing to reward",
            "set alpha or beta of the objective above 0",
        )
    return SelfCriticalObjective(
        features,
        WeightedReward(terms),
        config,
        materials.profile.max_len,
        (vocabulary.unknown_id,),
        device,
        ending_ids(vocabulary.words).to(device),
    )


def _clip_reward(materials: Materials, config: ObjectiveConfig, vocabulary: Vocabulary) -> Reward:
    lookup = WordToBpe(vocabulary.words, materials.clip.tokenizer)
    encoder = CaptionEncoder(materials.clip, lookup).to(materials.device)
    images: Tensor = materials.tables["train"].images
    if config.clip_term == "similarity":
        return SimilarityReward(encoder, images).to(materials.device)
    gap: Literal["avg", "min"] = "min" if config.clip_term == "geg_min" else "avg"
    index = materials.groups["train"].index
    return GroupEmbeddingGapReward(encoder, images, index, gap).to(materials.device)
