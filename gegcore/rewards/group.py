"""Rewards in CLIP's embedding space: the group embedding gap and the plain similarity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gegcore.clip import ClipModel, WordToBpe, embed_dataset
from gegcore.data.dataset import CaptionDataset
from gegcore.errors import ConfigError, DataError
from gegcore.gap import group_embedding_gap
from gegcore.groups import similar_groups
from gegcore.rewards.encoder import CaptionEncoder
from gegcore.rewards.inputs import RewardInputs


def check_positions(tokens: Tensor, image_index: Tensor | Sequence[int]) -> None:
    """One position for each image of captions `(B, S, T)`: another number might broadcast.

    Raises:
        DataError: there is not.
    """
    given = image_index.shape if isinstance(image_index, Tensor) else (len(image_index),)
    if tokens.ndim != 3 or given != tokens.shape[:1]:
        what = f"captions {tuple(tokens.shape)} but image positions {tuple(given)}"
        raise DataError(what, "give word ids (B, S, T) and one position for each of the B images")


class ClipReward(nn.Module, ABC):
    """A reward that sees nothing of a caption but its CLIP embedding.

    Args:
        encoder: embeds the captions; terms of one `WeightedReward` that share it encode once.
        image_embeddings: `(N, E)` L2-normalised, of the training split.
    """

    image_embeddings: Tensor

    def __init__(self, encoder: CaptionEncoder, image_embeddings: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("image_embeddings", image_embeddings)

    @abstractmethod
    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        """Reward `(B, S)` float32 of embedded captions `(B, S, E)` of images `(B,)`."""

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Word ids `(B, S, T)`, captions of images `(B,)`, -> `(B, S)` float32 in any autocast.

        Raises:
            DataError: not one image position for each image.
        """
        check_positions(tokens, image_index)
        with torch.autocast(tokens.device.type, enabled=False):
            return self.score(self.encoder(tokens), image_index)


class GroupEmbeddingGapReward(ClipReward):
    """The group embedding gap of a caption, G of Eq. 7 (Sec. 3.4).

    Args:
        group_index: `(N, K)` int64, similar images of every image (Sec. 3.2).
        gap: "avg" for Eq. 3, "min" for Eq. 4.

    Raises:
        ConfigError: another gap, or groups of another number of images.
    """

    group_index: Tensor

    def __init__(
        self,
        encoder: CaptionEncoder,
        image_embeddings: Tensor,
        group_index: Tensor,
        gap: Literal["avg", "min"] = "avg",
    ) -> None:
        super().__init__(encoder, image_embeddings)
        if gap not in ("avg", "min"):
            raise ConfigError(f"unknown gap {gap!r}", "use 'avg' (Eq. 3) or 'min' (Eq. 4)")
        if len(group_index) != len(image_embeddings):
            what = f"similar groups of {len(group_index)} images, embeddings of "
            fix = "compute the groups from these very embeddings"
            raise ConfigError(f"{what}{len(image_embeddings)}", fix)
        self.gap = gap
        self.register_buffer("group_index", group_index)

    @classmethod
    def of_dataset(
        cls,
        clip: ClipModel,
        dataset: CaptionDataset,
        words: Sequence[str],
        k: int = 5,
        gap: Literal["avg", "min"] = "avg",
    ) -> GroupEmbeddingGapReward:
        """The reward for captions of a data set's pictures, everything it needs computed here.

        Args:
            clip: a frozen CLIP; the reward lives on its device.
            dataset: training split.
            words: the captioner's; `words[i]` has id `i + 1`, id 0 ends a caption.

        Raises:
            ConfigError: K is not between 1 and the number of other images; `WordToBpe`.
            DataError: an image without captions.
        """
        table = embed_dataset(clip, dataset)
        groups = similar_groups(table.images, table.captions, table.caption_image, k)
        encoder = CaptionEncoder(clip, WordToBpe(words, clip.tokenizer))
        return cls(encoder, table.images, groups.index, gap).to(clip.device)

    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        target = self.image_embeddings[image_index][:, None]
        group = self.image_embeddings[self.group_index[image_index]][:, None]
        average, minimum = group_embedding_gap(text_emb, target, group)
        return average if self.gap == "avg" else minimum


class SimilarityReward(ClipReward):
    """The plain similarity f_CLIP(I, c) of Eq. 1, the "+ER" ablation of Table 3."""

    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        return torch.linalg.vecdot(self.image_embeddings[image_index][:, None], text_emb)


def geg_avg(given: RewardInputs) -> GroupEmbeddingGapReward:
    """Reward `geg_avg` of a profile: GEG-Avg (Eq. 3)."""
    return GroupEmbeddingGapReward(given.encoder, given.images, given.groups.index, "avg")


def geg_min(given: RewardInputs) -> GroupEmbeddingGapReward:
    """Reward `geg_min` of a profile: GEG-Min (Eq. 4)."""
    return GroupEmbeddingGapReward(given.encoder, given.images, given.groups.index, "min")


def similarity_reward(given: RewardInputs) -> SimilarityReward:
    """Reward `similarity` of a profile."""
    return SimilarityReward(given.encoder, given.images)
