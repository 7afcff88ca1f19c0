"""The Attention captioner: one LSTM that looks at the regions before every word.

``z_t`` attends with the previous hidden state, ``(h, c)_t = LSTM([x_t; z_t])``, logits from
``h_t``. Source: Xu et al. 2015 (soft attention, without its gate, deep output and initial state),
as X-modaler builds it in ``attention.yaml``.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models.captioner import MAX_LENGTH, Memory
from gegcore.models.config import Dropout, Size, SoftAttentionConfig
from gegcore.models.embedding import RegionEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.recurrent import LSTMCell, RecurrentCaptioner, RecurrentState
from gegcore.models.soft_attention import RegionMemory, SoftAttention

_WORD, _CONTEXT = 0, 1  # order of the LSTM's input


class AttentionConfig(SoftAttentionConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    region_width: Size = Field(1024, description="V; X-modaler VISUAL_EMBED.OUT_DIM")
    region_dropout: Dropout = Field(0.5, description="X-modaler VISUAL_EMBED.DROPOUT")
    box_embedding: bool = Field(False, description="adds W_box box to regions; not in X-modaler")


class AttentionCaptioner(RecurrentCaptioner[RegionMemory]):
    """One LSTM over words and attended regions."""

    Config = AttentionConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: AttentionConfig) -> None:
        require_sizes("attention", inputs, "regions")
        super().__init__(vocab_size, config.word_width, config)
        width = config.region_width
        self.regions = RegionEmbedding(
            inputs.regions, width, config.region_dropout, config.box_embedding, norm=False
        )
        self.look = SoftAttention(width, config)
        self.lstm = LSTMCell((config.word_width, width), config.hidden_width)

    def encode(self, features: FeatureBatch) -> RegionMemory:
        regions = self.regions(features.regions, features.boxes, features.mask)
        return self.look.remember(regions, features.mask)

    def start(
        self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH
    ) -> RecurrentState[RegionMemory]:
        assert isinstance(memory, RegionMemory)
        zero = self.lstm.zero_state(memory.batch_size, copies)
        return RecurrentState(memory, (self.lstm.late(_CONTEXT),), (zero, zero))

    def word_gates(self, x: Tensor) -> Tensor:
        return self.lstm.early(_WORD, x)

    def advance(self, words: Tensor, state: RecurrentState[RegionMemory]) -> tuple[Tensor, Tensor]:
        h, c = state.hidden
        (late,) = state.weights
        context, seen = self.look(h, state.memory)
        h, c = self.lstm.advance(torch.cat([context, h], -1), c, late, words)
        state.hidden = (h, c)
        return h, seen
