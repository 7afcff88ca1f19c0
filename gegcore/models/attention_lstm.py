"""The Attention captioner: one LSTM that looks at the regions before every word.

``z_t`` attends with the previous hidden state, ``(h, c)_t = LSTM([x_t; z_t])``, logits from
``h_t``. Source: Xu et al. 2015 (soft attention, without its gate, deep output and initial state),
as X-modaler builds it in ``attention.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor

from gegcore.data.features import InputSizes
from gegcore.models.captioner import MAX_LENGTH, Memory
from gegcore.models.inputs import require_sizes
from gegcore.models.recurrent import (
    LSTMCell,
    RecurrentCaptioner,
    RecurrentConfig,
    RecurrentState,
    xmodaler_cell_keys,
    xmodaler_word_keys,
)
from gegcore.models.soft_attention import (
    RegionInput,
    RegionMemory,
    SoftAttention,
    xmodaler_attention_keys,
    xmodaler_region_keys,
)

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch

_WORD, _CONTEXT = 0, 1  # order of the LSTM's input


class AttentionConfig(RecurrentConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    word_width: int = Field(default=1024, gt=0, description="W; X-modaler TOKEN_EMBED.DIM")
    region_width: int = Field(default=1024, gt=0, description="V; X-modaler VISUAL_EMBED.OUT_DIM")
    attention_width: int = Field(default=512, gt=0, description="A; X-modaler ATT_EMBED_SIZE")
    region_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="X-modaler VISUAL_EMBED.DROPOUT"
    )
    attention_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="on the tanh; X-modaler ATT_EMBED_DROPOUT"
    )
    box_embedding: bool = Field(
        default=False,
        description="add a linear map of the box corners to each region; not in X-modaler",
    )


class AttentionCaptioner(RecurrentCaptioner[RegionMemory]):
    """One LSTM over words and attended regions.

    Args:
        vocab_size: V, id 0 included.
        inputs: widths of the features; it looks at regions (2048 for bottom-up features).
        config: sizes and dropouts.

    Raises:
        ConfigError: the data has no regions.
    """

    Config = AttentionConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: AttentionConfig) -> None:
        require_sizes("attention", inputs, "regions")
        super().__init__(vocab_size, config.word_width, config)
        self.config = config
        width = config.region_width
        self.regions = RegionInput(
            inputs.regions, width, config.region_dropout, config.box_embedding
        )
        self.look = SoftAttention(
            config.hidden_width, width, config.attention_width, config.attention_dropout
        )
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


def xmodaler_keys(config: AttentionConfig) -> dict[str, tuple[str, ...]]:
    """Where each of our tensors is in an X-modaler state_dict.

    Returns: our key -> X-modaler's keys, to be concatenated along dimension 0 in this order.
    """
    return (
        xmodaler_word_keys()
        | xmodaler_region_keys()
        | xmodaler_attention_keys()
        | xmodaler_cell_keys("lstm")
    )


def xmodaler_sizes(
    shapes: Mapping[str, torch.Size], **overrides: Any
) -> tuple[int, InputSizes, AttentionConfig]:
    """Vocabulary size, inputs and config of an X-modaler checkpoint.

    Args:
        shapes: of its state_dict.
        overrides: fields of the config; they win over what the shapes tell.

    Raises:
        KeyError: a tensor that tells a size is missing.
        pydantic.ValidationError: an override that the config refuses.
    """
    vocab_size, word_width = shapes["token_embed.embeddings.weight"]
    region_width, regions = shapes["visual_embed.embeddings.weight"]
    attention_width, hidden_width = shapes["decoder.att.w_h.weight"]
    read = dict(
        word_width=word_width,
        region_width=region_width,
        attention_width=attention_width,
        hidden_width=hidden_width,
    )
    return vocab_size, InputSizes(regions), AttentionConfig(**(read | overrides))
