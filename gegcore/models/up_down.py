"""The Up-Down captioner: one LSTM to attend, a second one to speak.

``(h1, c1) = LSTM1([h2_{t-1}; g; x_t])``, attention with the new ``h1`` gives ``z_t``,
``(h2, c2) = LSTM2([z_t; h1])``, logits from ``h2``; ``g`` is the mean of the real regions.
Source: Anderson et al. 2018, Sec. 3.2, as X-modaler builds it in ``updown.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models.attention_lstm import AttentionConfig
from gegcore.models.captioner import MAX_LENGTH, Memory
from gegcore.models.config import Dropout, SoftAttentionConfig
from gegcore.models.embedding import RegionEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.recurrent import LSTMCell, RecurrentCaptioner, RecurrentState
from gegcore.models.soft_attention import RegionMemory, SoftAttention, masked_mean

_SPOKEN, _IMAGE, _WORD = 0, 1, 2  # order of LSTM1's input: h2, g, x
_CONTEXT, _HEARD = 0, 1  # order of LSTM2's input: z, h1


class UpDownDecoderConfig(SoftAttentionConfig):
    """The decoder's sizes and dropouts, as X-modaler's ``updown.yaml`` has them."""

    lstm2_dropout: Dropout = Field(0.0, description="on the input of LSTM2; X-modaler DROPOUT2")


class UpDownConfig(UpDownDecoderConfig, AttentionConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""


@dataclass
class UpDownMemory(RegionMemory):
    """Regions, and what their mean adds to the gates of LSTM1."""

    image: Tensor  # (B, V)
    image_gates: Tensor  # (B, 1, 4H)


class UpDownDecoder(RecurrentCaptioner[UpDownMemory]):
    """The two LSTMs, whatever encoder the regions (B, N, V) come from."""

    def __init__(self, vocab_size: int, region_width: int, config: UpDownDecoderConfig) -> None:
        super().__init__(vocab_size, config.word_width, config)
        hidden = config.hidden_width
        self.lstm1 = LSTMCell((hidden, region_width, config.word_width), hidden)
        self.look = SoftAttention(region_width, config)
        self.lstm2_dropout = nn.Dropout(config.lstm2_dropout)
        self.lstm2 = LSTMCell((region_width, hidden), hidden)

    def remember(self, regions: Tensor, mask: Tensor) -> UpDownMemory:
        """Shapes: regions (B, N, V), zero where padded; mask (B, N) bool."""
        seen = self.look.remember(regions, mask)
        image = masked_mean(regions, mask)
        gates = self.lstm1.early(_IMAGE, image).unsqueeze(1)
        return UpDownMemory(seen.values, seen.keys, seen.bias, image, gates)

    def start(
        self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH
    ) -> RecurrentState[UpDownMemory]:
        assert isinstance(memory, UpDownMemory)
        weights = (self.lstm1.late(_SPOKEN), self.lstm2.late(_CONTEXT, _HEARD))
        zero = self.lstm1.zero_state(memory.batch_size, copies)
        return RecurrentState(memory, weights, (zero,) * 4)

    def word_gates(self, x: Tensor) -> Tensor:
        return self.lstm1.early(_WORD, x)

    def advance(self, words: Tensor, state: RecurrentState[UpDownMemory]) -> tuple[Tensor, Tensor]:
        h1, c1, h2, c2 = state.hidden
        late1, late2 = state.weights
        early = words + state.memory.image_gates
        h1, c1 = self.lstm1.advance(torch.cat([h2, h1], -1), c1, late1, early)
        context, seen = self.look(h1, state.memory)
        inputs = self.lstm2_dropout(torch.cat([context, h1], -1))
        h2, c2 = self.lstm2.advance(torch.cat([inputs, h2], -1), c2, late2)
        state.hidden = (h1, c1, h2, c2)
        return h2, seen


class UpDown(UpDownDecoder):
    """The two LSTMs over embedded regions."""

    Config = UpDownConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: UpDownConfig) -> None:
        require_sizes("updown", inputs, "regions")
        super().__init__(vocab_size, config.region_width, config)
        width, dropout = config.region_width, config.region_dropout
        self.regions = RegionEmbedding(
            inputs.regions, width, dropout, config.box_embedding, norm=False
        )

    def encode(self, features: FeatureBatch) -> UpDownMemory:
        regions = self.regions(features.regions, features.boxes, features.mask)
        return self.remember(regions, features.mask)
