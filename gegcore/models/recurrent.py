"""What the recurrent captioners share: the LSTM cell, the state and the loop over words.

Notation: B images, S captions per image, T words, H hidden width; states are (B, S, H), so that
the captions of an image share its encoding by broadcasting.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from gegcore.linear import Linear, linear
from gegcore.models.captioner import Captioner, Memory, State, longest_first
from gegcore.models.config import RecurrentConfig


class LSTMCell(nn.LSTMCell):
    """An LSTM cell whose input is a concatenation of parts that become known at different times.

    What depends on the image alone is multiplied once per image, and given words all at once
    (``early``); only the rest is left to the loop over words (``late``). The parameters are those
    of ``nn.LSTMCell``: gates i, f, g, o and two bias vectors. Source: Hochreiter & Schmidhuber
    1997; Gers et al. 2000 (forget gate).
    """

    def __init__(self, parts: Sequence[int], hidden_width: int) -> None:
        super().__init__(sum(parts), hidden_width)
        self.parts = list(parts)

    def early(self, part: int, x: Tensor) -> Tensor:
        """Share that one part of the input has in the gates. Shapes: x (..., W) -> (..., 4H)."""
        return linear(x, self.weight_ih.split(self.parts, dim=1)[part])

    def late(self, *parts: int) -> Tensor:
        """Weights of ``[parts..., h]``, shape (4H, widths + H); take them once per sequence.

        One matrix saves a product per word, and one slice per sequence the gradient of many.
        """
        columns = self.weight_ih.split(self.parts, dim=1)
        return torch.cat([*(columns[part] for part in parts), self.weight_hh], dim=1)

    def zero_state(self, images: int, copies: int) -> Tensor:
        """Initial h or c, (B, S, H)."""
        return self.weight_hh.new_zeros(images, copies, self.hidden_size)

    def advance(
        self, inputs: Tensor, c: Tensor, late: Tensor, early: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One time step.

        Shapes: inputs (B, S, widths + H), the late parts and the previous h; c (B, S, H); early
        broadcastable to (B, S, 4H) -> new h and c, both (B, S, H).
        """
        gates = linear(inputs, late, self.bias_ih + self.bias_hh)
        i, f, g, o = (gates if early is None else gates + early).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


@dataclass
class TensorMemory(Memory):
    """A memory made of tensors (B, ...) only."""

    @property
    def batch_size(self) -> int:
        first: Tensor = getattr(self, fields(self)[0].name)
        return first.shape[0]

    def keep(self: M, images: Tensor) -> M:
        """Only these images. Shapes: images (B',) long."""
        return replace(self, **{f.name: getattr(self, f.name)[images] for f in fields(self)})


M = TypeVar("M", bound=TensorMemory)


@dataclass
class RecurrentState(State, Generic[M]):
    """Hidden and cell states, and the weights of the loop over words (``LSTMCell.late``)."""

    memory: M
    weights: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...]  # each (B, S, H)

    def keep(self, rows: Tensor) -> RecurrentState[M]:
        # From here on every row has an image of its own.
        memory = self.memory.keep(rows // self.hidden[0].shape[1])
        hidden = tuple(x.flatten(0, 1)[rows].unsqueeze(1) for x in self.hidden)
        return RecurrentState(memory, self.weights, hidden)


class RecurrentCaptioner(Captioner, Generic[M]):
    """Words in by ``relu(E[w])``, words out by a linear layer on the hidden state.

    A subclass says how the image is encoded (``encode``), how a sequence opens (``start``), where
    the words enter (``word_gates``) and what one time step is (``advance``).
    """

    def __init__(self, vocab_size: int, word_width: int, config: RecurrentConfig) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.config = config
        self.words = nn.Embedding(vocab_size, word_width)
        self.word_dropout = nn.Dropout(config.word_dropout)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.output = Linear(config.hidden_width, vocab_size)

    @abstractmethod
    def word_gates(self, x: Tensor) -> Tensor:
        """Share of the words in the gates of the first LSTM. Shapes: (..., W) -> (..., 4H)."""

    @abstractmethod
    def advance(self, words: Tensor, state: RecurrentState[M]) -> tuple[Tensor, Tensor | None]:
        """One time step; updates ``state.hidden``.

        Shapes: words (B, S, 4H), from ``word_gates`` -> what the logits are read from (B, S, H),
        and the attention weights (B, S, N) or None.
        """

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, RecurrentState[M]]:
        assert isinstance(state, RecurrentState)
        words = self.word_gates(self._embed(tokens.view(state.hidden[0].shape[:2])))
        h, _ = self.advance(words, state)
        return self._logits(h).flatten(0, 1), state

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        return self._logits(torch.stack([h for h, _ in self._unroll(memory, tokens)], dim=2))

    def decode_prefixes(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor]:
        inputs, going, number = longest_first(tokens)
        spoken = [h for h, _ in self._unroll(memory, inputs, [now.shape[1] for now in going])]
        rows = [h[now] for h, now in zip(spoken, going, strict=True)]
        return self._logits(torch.cat(rows)), number

    def attention(self, memory: Memory, tokens: Tensor) -> Tensor | None:
        weights = [a for _, a in self._unroll(memory, tokens) if a is not None]
        return torch.stack(weights, dim=2) if weights else None

    def _unroll(
        self, memory: Memory, tokens: Tensor, most: Sequence[int] = ()
    ) -> list[tuple[Tensor, Tensor | None]]:
        """All time steps of given captions; only what depends on the step before is in the loop.

        Args:
            most: how many captions of an image go on at each step; by default all to the end.
        """
        _, copies, length = tokens.shape
        state, steps = self.start(memory, copies, length), []
        assert isinstance(state, RecurrentState)
        words = self.word_gates(self._embed(tokens)).unbind(2)
        for word, count in zip(words, most or [copies] * length, strict=True):
            state.hidden = tuple(h[:, :count] for h in state.hidden)
            steps.append(self.advance(word[:, :count], state))
        return steps

    def _embed(self, tokens: Tensor) -> Tensor:
        return self.word_dropout(self.words(tokens).relu())

    def _logits(self, h: Tensor) -> Tensor:
        return self.output(self.output_dropout(h))
