"""Retrieval models on grid features: a picture's cells and a caption's words in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from gegcore.data.vocabulary import Vocabulary
from photographs.hinge_loss import hinge_loss

CONTEXT_LENGTH = 40
"""Words that are read of a caption, start and end included."""


class EncoderSettings(BaseModel):
    """Of both towers, and the loss they learn by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = Field("efficientnet-lite0", description="that `Grids` come from")
    loss: Literal["contrastive", "sigmoid", "hinge"] = Field(
        "contrastive", description="CLIP's, SigLIP's (zhai2023siglip), VSE++'s (faghri2017vsepp)"
    )
    pictures: Literal["attention", "max"] = Field(
        "attention", description="over the cells, beside their mean"
    )
    captions: Literal["max", "last"] = Field(
        "max", description="over the states of a GRU in both directions; or the last of one"
    )
    width: int = Field(256, description="E, of the embeddings")
    word_width: int = 300
    dropout: float = 0.3
    min_count: int = Field(2, description="rarer words of the captions are UNK")
    epochs: int = 14
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    margin: float = Field(0.2, description="of hinges")


class WordTokenizer:
    """Words as ids, with the attributes by which `WordToBpe` knows CLIP's tokenizer.

    Id 0 is padding; start and end follow the words.
    """

    context_length = CONTEXT_LENGTH

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self.sot_token_id, self.eot_token_id = len(words), len(words) + 1

    def encode(self, text: str) -> list[int]:
        return self.words.encode(text)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Ids `(M, L)` of captions, 0-padded to the longest, cut at `context_length`."""
        rows = [
            [self.sot_token_id, *self.encode(text)[: CONTEXT_LENGTH - 2], self.eot_token_id]
            for text in texts
        ]
        return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


class PhotoEncoder(nn.Module):
    """Two towers over frozen grid features, called as open_clip's models are.

    Args:
        channels: D, of the cells.
        words: of the captions that it learns from.
    """

    context_length = CONTEXT_LENGTH
    mean: Tensor
    std: Tensor

    def __init__(self, settings: EncoderSettings, channels: int, words: Vocabulary) -> None:
        super().__init__()
        self.settings, width = settings, settings.width
        # Of cells, set before training, so that they enter with mean 0 and variance 1.
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.attend = nn.Linear(channels, 1, bias=False)
        self.project = nn.Linear(2 * channels, width)
        self.embed = nn.Embedding(len(words) + 2, settings.word_width, padding_idx=0)
        both = settings.captions == "max"
        state = width if both else 2 * width
        self.gru = nn.GRU(settings.word_width, state, batch_first=True, bidirectional=both)
        self.combine = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(settings.dropout)
        self.logit_scale = nn.Parameter(torch.tensor([3.0]))
        self.logit_bias = nn.Parameter(torch.tensor([-10.0]))

    def encode_image(self, grids: Tensor) -> Tensor:
        """Features `(B, E)` of grids `(B, D, h, w)`."""
        cells = grids.float().flatten(2)  # (B, D, P)
        if self.settings.pictures == "attention":
            scores = (self.attend.weight / self.std) @ cells
            pooled = (cells @ scores.softmax(dim=2).transpose(1, 2)).squeeze(2)
        else:
            pooled = cells.amax(dim=2)
        # Means, weighted means and maxima of standardised cells are standardised ones of cells.
        both = torch.cat([(x - self.mean) / self.std for x in (cells.mean(dim=2), pooled)], dim=1)
        features: Tensor = self.project(self.dropout(both))
        return features

    def encode_text(self, ids: Tensor) -> Tensor:
        """Features `(M, E)` of ids `(M, L)`, 0-padded."""
        lengths = (ids != 0).sum(dim=1).clamp(min=1).cpu()
        words = self.dropout(self.embed(ids[:, : int(lengths.max())]))
        # Packed: on a CPU half the work of padded ones. On a GPU the host waits for the lengths.
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        states, last = self.gru(packed)
        if self.settings.captions == "last":
            pooled = last[0]
        else:
            padded = pad_packed_sequence(states, batch_first=True, padding_value=-torch.inf)
            pooled = padded[0].amax(dim=1)
        features: Tensor = self.combine(self.dropout(pooled))
        return features

    def loss(self, grids: Tensor, ids: Tensor, warm: bool = False) -> Tensor:
        """Of B pictures and a caption of each; `warm`: of all hinges, with which VSE++ begins."""
        image = F.normalize(self.encode_image(grids), dim=-1)
        text = F.normalize(self.encode_text(ids), dim=-1)
        if self.settings.loss == "hinge":
            return hinge_loss(image @ text.T, self.settings.margin, hardest=not warm)
        from open_clip.loss import ClipLoss, SigLipLoss  # seconds: only where something is trained

        scale = self.logit_scale.exp().clamp(max=100.0)
        if self.settings.loss == "sigmoid":
            return SigLipLoss()(image, text, scale, self.logit_bias)
        return ClipLoss()(image, text, scale)
