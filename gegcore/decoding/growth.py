"""The loop over words that all searches share: which captions grow, and on which rows.

A row of the model's state stands for the words said so far. Captions of an image that have said
the same words share a row (all of them before the first word), a caption that says another word
than its companions branches off, and rows that no unfinished caption needs are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch
from gegcore.decoding.policy import block_repeats, forbidden_ids, hide
from gegcore.errors import ConfigError
from gegcore.models.captioner import END, Captioner, Memory, State

Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""What ``Captioner.step`` does."""

_SHRINK = 0.75  # drop the rows of finished captions once no more than this share is in use


@dataclass(frozen=True)
class Decoded:
    """Captions of B images, S each.

    Shapes: tokens (B, S, T) long, zeros after the end token; log_probs (B, S, T), of each token
    under the policy that said it, end token included, zeros after it. T <= max_len: trailing steps
    that no caption needs are not run.
    """

    tokens: Tensor
    log_probs: Tensor


@dataclass
class Captions:
    """Captions in progress, and the row of the state that each of them continues."""

    tokens: Tensor  # (B, S, max_len)
    log_probs: Tensor
    finished: Tensor  # (B, S)
    row: Tensor  # (B, S); means nothing for finished captions
    first: Tensor  # (R,) flat position b * S + s of the first caption on each row

    @classmethod
    def empty(cls, images: int, copies: int, max_len: int, like: Tensor) -> Captions:
        """No words yet, one row per image; log_probs get the dtype and device of ``like``."""
        shape = (images, copies, max_len)
        dtype = torch.promote_types(like.dtype, torch.float32)
        row = torch.arange(images, device=like.device)
        return cls(
            torch.full(shape, END, device=like.device),
            torch.zeros(shape, dtype=dtype, device=like.device),
            torch.zeros(shape[:2], dtype=torch.bool, device=like.device),
            row[:, None].repeat(1, copies),
            row * copies,
        )

    def separate(self) -> Tensor:
        """Give every caption a row of its own; returns the old row of each, (B * S,)."""
        parent = self.row.flatten()
        self.first = torch.arange(len(parent), device=parent.device)
        self.row = self.first.view_as(self.row)
        return parent

    def image(self) -> Tensor:
        """The image of each row, (R,) ascending."""
        return self.first // self.tokens.shape[1]

    def said(self, t: int) -> Tensor:
        """The first t words on each row, (R, t)."""
        return self.tokens.flatten(0, 1)[self.first, :t]

    def append(self, words: Tensor, log_probs: Tensor, t: int) -> None:
        """Say one word. Shapes: words, log_probs (B, S); ignored where captions are finished."""
        self.tokens[..., t] = words.masked_fill(self.finished, END)
        self.log_probs[..., t] = log_probs.masked_fill(self.finished, 0.0)
        self.finished = self.finished | (words == END)

    def reorder(self, parent: Tensor) -> None:
        """Caption s of image b continues caption ``parent[b, s]``. Shapes: parent (B, S) long."""
        rows = parent.unsqueeze(-1).expand_as(self.tokens)
        self.tokens = self.tokens.gather(1, rows)
        self.log_probs = self.log_probs.gather(1, rows)
        self.finished = self.finished.gather(1, parent)
        self.row = self.row.gather(1, parent)

    def branch(self, t: int, vocab_size: int, share: bool) -> tuple[Tensor | None, Tensor]:
        """Find the rows for the next step, once all captions have said their word of step t.

        Without ``share`` every caption gets a row of its own.

        Returns: for each new row the old row that it continues, (R',) ascending, or None if the
        rows stay as they are; and the newest word of each row, (R',).
        """
        growing = (~self.finished).flatten().nonzero().squeeze(1)
        row, word = self.row.flatten()[growing], self.tokens[..., t].flatten()[growing]
        span = vocab_size if share else self.finished.numel()
        key, place = torch.unique(row * span + (word if share else growing), return_inverse=True)
        first = torch.full_like(key, self.finished.numel())
        first.scatter_reduce_(0, place, growing, "amin")
        parent, word = key // span, self.tokens[..., t].flatten()[first]
        branched = len(key) > len(self.first) or bool((parent[1:] == parent[:-1]).any())
        if not branched and len(key) > _SHRINK * len(self.first):
            self.first[parent] = first
            return None, torch.full_like(self.first, END).index_copy(0, parent, word)
        self.first = first
        self.row = torch.zeros_like(self.row).flatten().index_copy(0, growing, place)
        self.row = self.row.view_as(self.finished)
        return parent, word


def grow(
    model: Captioner,
    features: FeatureBatch | Memory,
    copies: int,
    max_len: int,
    forbid: Collection[int],
    no_repeat_ngram: int,
    say: Callable[[Captions, Tensor, int], None],
    in_place: bool = False,
    step: Step | None = None,
) -> Decoded:
    """Grow ``copies`` captions per image, word by word, until all are finished.

    With dropout on (training mode) no rows are shared: every caption has its own noise.

    Args:
        say: given the logits (R, V) of step t, appends one word to every caption.
        in_place: for a GPU: every caption has a row of its own from the first word on, shapes are
            constant and all steps are run, finished or not, so that the host queues the whole loop
            without waiting for the device. The captions are the same.
        step: called instead of ``model.step``; with constant shapes it can be compiled once
            (:func:`compiled_step`).

    Raises:
        ConfigError: ``max_len``, ``no_repeat_ngram`` or ``forbid`` out of range.
    """
    if max_len < 1:
        raise ConfigError(f"max_len={max_len} leaves no room for a word", "use max_len >= 1")
    if no_repeat_ngram < 0:
        fix = "use the length of n-grams said once at most, such as 3, or 0 for no such rule"
        raise ConfigError(f"no_repeat_ngram={no_repeat_ngram} is negative", fix)
    memory = features if isinstance(features, Memory) else model.encode(features)
    share = not model.training
    captions = Captions.empty(memory.batch_size, copies, max_len, next(model.parameters()))
    if in_place:
        captions.separate()
        state = model.start(memory, copies, max_len).with_constant_shapes()
    else:
        state = model.start(memory, 1, max_len)
        if not share and copies > 1:
            state = state.keep(captions.separate())
    words, forward = torch.full_like(captions.first, END), step or model.step
    for t in range(max_len):
        logits, state = forward(words, state)
        if t == 0:
            forbidden = forbidden_ids(forbid, logits)
        logits = hide(logits, forbidden)
        if no_repeat_ngram:
            logits = block_repeats(logits, captions.said(t), no_repeat_ngram)
        say(captions, logits, t)
        if in_place:
            words = captions.tokens[..., t].flatten()
            continue
        if t == max_len - 1 or captions.finished.all():
            break
        parent, words = captions.branch(t, logits.shape[-1], share)
        if parent is not None:
            state = state.keep(parent)
    return Decoded(captions.tokens[..., : t + 1], captions.log_probs[..., : t + 1])


def compiled_step(model: Captioner, **options: Any) -> Step:
    """``model.step`` through ``torch.compile``, as one graph of constant shapes.

    Args:
        model: its parameters may go on changing; another batch size compiles anew.
        options: of ``torch.compile``, such as ``mode`` or ``backend``.
    """
    compiled: Step = torch.compile(model.step, fullgraph=True, dynamic=False, **options)
    return compiled
