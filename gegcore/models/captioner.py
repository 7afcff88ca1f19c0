"""The interface of every captioner: encode an image once, then decode many captions from it.

Notation: B images, S captions per image, R = B * S rows (row ``b * S + s`` is caption s of image
b), T time steps, V words. Token id 0 starts, ends and pads a caption, as in X-modaler.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn.functional import pad

from gegcore.data.features import FeatureBatch

END = 0
"""The id that starts, ends and pads a caption."""

MAX_LENGTH = 20
"""Steps of a caption, its end token included (X-modaler MAX_SEQ_LEN)."""


class Memory(ABC):
    """What a model knows about B images before the first word; tensors are batch first."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Number of images B."""


class State(ABC):
    """What a model carries from one word to the next, for R rows.

    ``Captioner.step`` may update a state in place: after a step only the returned state is valid.
    """

    @abstractmethod
    def keep(self, rows: Tensor) -> State:
        """Make new row r continue what old row ``rows[r]`` has said so far.

        Rows may be dropped, repeated and moved, but those of an image stay together and images
        stay in order; the encoding of an image is shared by its rows and repeated at need only.

        Shapes: rows (R',) long, positions among the current rows.
        """

    def with_constant_shapes(self) -> State:
        """The same state so that a step has the same shapes at every word, none of them data.

        Nothing to do for states that do not grow. Called once, before the first step.
        """
        return self


class Captioner(nn.Module, ABC):
    """A model that describes images; decoding and training know nothing else about it."""

    Config: ClassVar[type[BaseModel]]
    """What can be set; constructed as ``Class(vocab_size, inputs, Config(...))``."""

    vocab_size: int

    @abstractmethod
    def encode(self, features: FeatureBatch) -> Memory:
        """Compute once per image all that does not depend on the words."""

    @abstractmethod
    def start(self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH) -> State:
        """Open ``copies`` captions per image that share its encoding, ``max_len`` steps at most."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Feed one word per row.

        Shapes: tokens (R,) long, the previous words (0 at the start) -> logits (R, V), next state.
        """

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Score given captions of encoded images; differentiable.

        Shapes: tokens (B, S, T) long, the *inputs* (:func:`shift_right`) -> logits (B, S, T, V).
        Here by unrolling ``step``; models that see all words at once override it.
        """
        images, copies, length = tokens.shape
        state = self.start(memory, copies, length)
        rows = tokens.reshape(images * copies, length)
        logits = []
        for t in range(length):
            step_logits, state = self.step(rows[:, t], state)
            logits.append(step_logits)
        return torch.stack(logits, dim=1).view(images, copies, length, -1)

    def decode_prefixes(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """As ``decode_teacher_forced``, with as little work as there can be.

        Models override it to leave out padding, or to compute each of the P distinct prefixes of
        an image's captions once; the host waits for the device.

        Shapes: tokens (B, S, T) -> logits (P, V), and which of them each input has, (B, S, T);
        inputs that are padding have any.
        """
        logits = self.decode_teacher_forced(memory, tokens).flatten(0, 2)
        return logits, torch.arange(len(logits), device=logits.device).view_as(tokens)

    def attention(self, memory: Memory, tokens: Tensor) -> Tensor | None:
        """Where the model looks while it says each word, or None if it does not attend to regions.

        Shapes: tokens (B, S, T) long, the inputs -> (B, S, T, N), sums to 1 over the real regions.
        """
        return None

    def forward(self, features: FeatureBatch, tokens: Tensor) -> Tensor:
        """Teacher forcing: the logits of the word that follows each input word.

        Shapes: tokens (B, T) or (B, S, T) long -> logits (B, T, V) or (B, S, T, V). Each image is
        encoded once, whatever S.
        """
        memory = self.encode(features)
        if tokens.dim() == 2:
            return self.decode_teacher_forced(memory, tokens.unsqueeze(1)).squeeze(1)
        return self.decode_teacher_forced(memory, tokens)


def shift_right(tokens: Tensor) -> Tensor:
    """Turn captions into the inputs that predict them: ``[w1, w2, 0] -> [0, w1, w2]``.

    Shapes: (..., T) long -> (..., T) long. Source: X-modaler's teacher forcing.
    """
    return torch.cat([torch.full_like(tokens[..., :1], END), tokens[..., :-1]], dim=-1)


def longest_first(tokens: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """Order the captions of each image so that those that still go on come first at every step.

    Shapes: tokens (B, S, T) long, the inputs -> the same in that order, without steps that no
    caption has; for each step which of its leading captions go on, (B, S') bool; and the number of
    each input as given, (B, S, T), among all that are no padding, step by step (padding has any).
    """
    real = pad(tokens[..., 1:] != END, (1, 0), value=True)
    order = real.sum(-1).argsort(dim=1, descending=True, stable=True)[..., None].expand_as(tokens)
    real, most = real.gather(1, order), real.sum(1).amax(0).tolist()
    number = real.permute(2, 0, 1).flatten().cumsum(0).view(-1, *tokens.shape[:2]).permute(1, 2, 0)
    going = [now[:, :n] for now, n in zip(real.unbind(2), most, strict=True) if n]
    return (
        tokens.gather(1, order)[..., : len(going)],
        going,
        torch.zeros_like(tokens).scatter(1, order, number - 1),
    )
