"""The LSTM-A3 captioner: an LSTM that hears attributes, then the image, then the words.

``(h, c) = LSTM(W_a a + b_a, 0)``, ``(h, c) = LSTM(W_v g + b_v, (h, c))``, then the words one by
one; the image is not seen again. Source: Yao et al. 2017, variant A3, as X-modaler builds it in
``lstm-A.yaml``; the two projections have no activation.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field
from torch import Tensor, nn

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.linear import Linear
from gegcore.models.captioner import MAX_LENGTH, Memory
from gegcore.models.config import Dropout, RecurrentConfig
from gegcore.models.inputs import require_sizes, required
from gegcore.models.recurrent import LSTMCell, RecurrentCaptioner, RecurrentState, TensorMemory

_INPUT = 0  # attributes, image and words all enter by the same weights


class LSTMA3Config(RecurrentConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size).

    One LSTM hears everything, so words, attributes and image are all ``hidden_width`` wide.
    """

    input_dropout: Dropout = Field(
        0.0,
        description="on every input of the LSTM; X-modaler LSTMA.DROPOUT "
        "(its launch script has 0.3, with word_dropout 0)",
    )


@dataclass
class LSTMA3Memory(TensorMemory):
    """The state of the LSTM before the first word."""

    h: Tensor  # (B, H)
    c: Tensor  # (B, H)


class LSTMA3(RecurrentCaptioner[LSTMA3Memory]):
    """One LSTM, primed with attributes and image."""

    Config = LSTMA3Config

    def __init__(self, vocab_size: int, inputs: InputSizes, config: LSTMA3Config) -> None:
        require_sizes("lstm_a3", inputs, "attributes", "pooled")
        super().__init__(vocab_size, config.hidden_width, config)
        self.attributes = Linear(inputs.attributes, config.hidden_width)
        self.image = Linear(inputs.pooled, config.hidden_width)
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
