"""Rewards: token tensors in, reward tensor out, on the device of the tokens (Eq. 7)."""

from gegcore.rewards.cider import CiderD, cider_d, document_frequency
from gegcore.rewards.group import GroupEmbeddingGapReward, SimilarityReward
from gegcore.rewards.reward import Reward, WeightedReward

__all__ = [
    "CiderD",
    "GroupEmbeddingGapReward",
    "Reward",
    "SimilarityReward",
    "WeightedReward",
    "cider_d",
    "document_frequency",
]
