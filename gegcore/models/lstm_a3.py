"""The LSTM-A3 captioner: an LSTM that hears attributes, then the image, then the words.

``(h, c) = LSTM(W_a a + b_a, 0)``, ``(h, c) = LSTM(W_v g + b_v, (h, c))``, then the words one by
one; the image is not seen again. Source: Yao et al. 2017, variant A3, as X-modaler builds it in
``lstm-A.yaml``; the two projections have no activation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from gegcore.data.features import InputSizes
from gegcore.models.captioner import MAX_LENGTH, Memory
from gegcore.models.inputs import require_sizes, required
from gegcore.models.recurrent import (
    LSTMCell,
    RecurrentCaptioner,
    RecurrentConfig,
    RecurrentState,
    TensorMemory,
    xmodaler_cell_keys,
    xmodaler_word_keys,
)

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch

_INPUT = 0  # attributes, image and words all enter by the same weights


class LSTMA3Config(RecurrentConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size).

    One LSTM hears everything, so words, attributes and image are all ``hidden_width`` wide.
    """

    input_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="on every input of the LSTM; X-modaler LSTMA.DROPOUT "
        "(its launch script has 0.3, with word_dropout 0)",
    )


@dataclass
class LSTMA3Memory(TensorMemory):
    """The state of the LSTM before the first word."""

    h: Tensor  # (B, H)
    c: Tensor  # (B, H)


class LSTMA3(RecurrentCaptioner[LSTMA3Memory]):
    """One LSTM, primed with attributes and image.

    Args:
        vocab_size: V, id 0 included.
        inputs: widths of the features; it reads attributes (1000 in X-modaler) and the
            whole-picture feature (2048).
        config: sizes and dropouts.

    Raises:
        ConfigError: the data has no attributes or no whole-picture features.
    """

    Config = LSTMA3Config

    def __init__(self, vocab_size: int, inputs: InputSizes, config: LSTMA3Config) -> None:
        require_sizes("lstm_a3", inputs, "attributes", "pooled")
        super().__init__(vocab_size, config.hidden_width, config)
        self.config = config
        self.attributes = nn.Linear(inputs.attributes, config.hidden_width)
        self.image = nn.Linear(inputs.pooled, config.hidden_width)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.lstm = LSTMCell((config.hidden_width,), config.hidden_width)

    def encode(self, features: FeatureBatch) -> LSTMA3Memory:
        attributes = required(features.attributes, "attributes", "lstm_a3")
        late = self.lstm.late()
        h = c = self.lstm.zero_state(len(features), 1)
        for x in (self.attributes(attributes), self.image(features.pooled)):
            h, c = self.lstm.advance(h, c, late, self.word_gates(x).unsqueeze(1))
        return LSTMA3Memory(h.squeeze(1), c.squeeze(1))

    def start(
        self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH
    ) -> RecurrentState[LSTMA3Memory]:
        assert isinstance(memory, LSTMA3Memory)
        hidden = tuple(x.unsqueeze(1).expand(-1, copies, -1) for x in (memory.h, memory.c))
        return RecurrentState(memory, (self.lstm.late(),), hidden)

    def word_gates(self, x: Tensor) -> Tensor:
        return self.lstm.early(_INPUT, self.input_dropout(x))

    def advance(self, words: Tensor, state: RecurrentState[LSTMA3Memory]) -> tuple[Tensor, None]:
        h, c = state.hidden
        (late,) = state.weights
        h, c = self.lstm.advance(h, c, late, words)
        state.hidden = (h, c)
        return h, None


def xmodaler_keys(config: LSTMA3Config) -> dict[str, tuple[str, ...]]:
    """Where each of our tensors is in an X-modaler state_dict.

    Returns: our key -> X-modaler's keys, to be concatenated along dimension 0 in this order.
    """
    return (
        xmodaler_word_keys()
        | xmodaler_cell_keys("lstm")
        | {
            "attributes.weight": ("decoder.attribute_fc.weight",),
            "attributes.bias": ("decoder.attribute_fc.bias",),
            "image.weight": ("decoder.vfeat_fc.weight",),
            "image.bias": ("decoder.vfeat_fc.bias",),
        }
    )


def xmodaler_sizes(
    shapes: Mapping[str, torch.Size], **overrides: Any
) -> tuple[int, InputSizes, LSTMA3Config]:
    """Vocabulary size, inputs and config of an X-modaler checkpoint.

    Args:
        shapes: of its state_dict.
        overrides: fields of the config; they win over what the shapes tell.

    Raises:
        KeyError: a tensor that tells a size is missing.
        pydantic.ValidationError: an override that the config refuses.
    """
    vocab_size, hidden_width = shapes["token_embed.embeddings.weight"]
    attributes = shapes["decoder.attribute_fc.weight"][1]
    pooled = shapes["decoder.vfeat_fc.weight"][1]
    inputs = InputSizes(regions=0, pooled=pooled, attributes=attributes)
    return vocab_size, inputs, LSTMA3Config(**(dict(hidden_width=hidden_width) | overrides))
