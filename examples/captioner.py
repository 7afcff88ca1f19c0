"""A captioner of one's own: a GRU that starts from the mean of the regions.

    models: {"examples.captioner:MeanGru": {width: 64}}

in a profile, then `gegcore run --profile mine.yaml --model examples.captioner:MeanGru --objective
mle`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import Captioner, Memory, State


@dataclass
class Pooled(Memory):
    image: Tensor  # (B, d)

    @property
    def batch_size(self) -> int:
        return len(self.image)


@dataclass
class Spoken(State):
    hidden: Tensor  # (R, d), a row for every caption

    def keep(self, rows: Tensor) -> Spoken:
        return Spoken(self.hidden[rows])


class MeanGru(Captioner):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")

        width: int = Field(512, gt=0, description="d, of words, image and GRU")
        dropout: float = Field(0.5, ge=0, lt=1, description="on words and before the logits")

    def __init__(self, vocab_size: int, inputs: InputSizes, config: Config) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.image = nn.Linear(inputs.regions, config.width)
        self.words = nn.Embedding(vocab_size, config.width)
        self.gru = nn.GRUCell(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.width, vocab_size)

    def encode(self, features: FeatureBatch) -> Pooled:
        real = features.mask.unsqueeze(-1)
        mean = features.regions.masked_fill(~real, 0).sum(1) / real.sum(1).clamp(min=1)
        return Pooled(self.image(mean).tanh())

    def start(self, memory: Memory, copies: int = 1, max_len: int = 20) -> Spoken:
        assert isinstance(memory, Pooled)
        return Spoken(memory.image.repeat_interleave(copies, 0))

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, Spoken]:
        assert isinstance(state, Spoken)
        hidden = self.gru(self.dropout(self.words(tokens)), state.hidden)
        return self.output(self.dropout(hidden)), Spoken(hidden)
