"""Rewards in CLIP's embedding space: the group embedding gap and the plain similarity."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gegcore.clip import ClipModel, WordToBpe
from gegcore.gap import group_embedding_gap


class CaptionEncoder(nn.Module):
    """Embeds captions given as word ids, without leaving their device.

    Args:
        clip: a frozen CLIP.
        word_to_bpe: lookup from the captioner's word ids to CLIP's BPE ids.
    """

    def __init__(self, clip: ClipModel, word_to_bpe: WordToBpe) -> None:
        super().__init__()
        self.clip, self.word_to_bpe = clip, word_to_bpe

    @torch.no_grad()
    def forward(self, tokens: Tensor) -> Tensor:
        """Word ids `(B, S, T)` -> L2-normalised embeddings `(B, S, E)`."""
        flat = tokens.flatten(0, 1)
        if flat.device.type == "cpu":
            # Samples repeat each other, more so as the policy sharpens: encode each text once.
            # On a GPU the size of `unique` would force a host synchronisation, so encode all.
            flat, inverse = torch.unique(flat, dim=0, return_inverse=True)
            embeddings = self.clip.encode_tokens(self.word_to_bpe(flat))[inverse]
        else:
            embeddings = self.clip.encode_tokens(self.word_to_bpe(flat))
        return embeddings.view(*tokens.shape[:2], -1)


class GroupEmbeddingGapReward(nn.Module):
    """The group embedding gap of a caption, G of Eq. 7 (Sec. 3.4).

    Args:
        encoder: embeds the captions.
        image_embeddings: `(N, E)` L2-normalised, of the training split.
        group_index: `(N, K)` int64, similar images of every image (Sec. 3.2).
        gap: "avg" for Eq. 3, "min" for Eq. 4.
    """

    image_embeddings: Tensor
    group_index: Tensor

    def __init__(
        self,
        encoder: CaptionEncoder,
        image_embeddings: Tensor,
        group_index: Tensor,
        gap: Literal["avg", "min"] = "avg",
    ) -> None:
        super().__init__()
        self.encoder, self.gap = encoder, gap
        self.register_buffer("image_embeddings", image_embeddings)
        self.register_buffer("group_index", group_index)

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """`(B, S, T)` word ids of captions of images `(B,)` -> `(B, S)` float32."""
        text = self.encoder(tokens)
        target = self.image_embeddings[image_index][:, None]
        group = self.image_embeddings[self.group_index[image_index]][:, None]
        average, minimum = group_embedding_gap(text, target, group)
        return average if self.gap == "avg" else minimum


class SimilarityReward(nn.Module):
    """The plain similarity f_CLIP(I, c), the "+ER" ablation of Table 3.

    Args:
        encoder: embeds the captions.
        image_embeddings: `(N, E)` L2-normalised, of the training split.
    """

    image_embeddings: Tensor

    def __init__(self, encoder: CaptionEncoder, image_embeddings: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("image_embeddings", image_embeddings)

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """`(B, S, T)` word ids of captions of images `(B,)` -> `(B, S)` float32."""
        return (self.encoder(tokens) * self.image_embeddings[image_index][:, None]).sum(-1)
