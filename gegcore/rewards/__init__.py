"""Rewards: token tensors in, reward tensor out, on the device of the tokens (Eq. 7)."""

from gegcore.rewards.cider import CiderD, cider_d, document_frequency
from gegcore.rewards.encoder import CaptionEncoder
from gegcore.rewards.group import GroupEmbeddingGapReward, SimilarityReward
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.registry import REWARDS, build_rewards
from gegcore.rewards.reward import Reward, WeightedReward
from gegcore.rewards.text import TextReward

__all__ = [
    "REWARDS",
    "CaptionEncoder",
    "CiderD",
    "GroupEmbeddingGapReward",
    "Reward",
    "RewardInputs",
    "SimilarityReward",
    "TextReward",
    "WeightedReward",
    "build_rewards",
    "cider_d",
    "document_frequency",
]
