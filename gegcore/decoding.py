"""From a captioner to captions: greedy, multinomial and beam search, all images at once.

Knows captioners only by their interface (``gegcore.models.captioner``). Every image is encoded
once, all captions grow in one batch by one ``step`` per word, and images that are done leave it.
Notation: B images, S captions per image, T words, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gegcore.errors import ConfigError
from gegcore.models.captioner import END, MAX_LENGTH, Captioner, Memory, shift_right

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch

_CHECK_EVERY = 4  # steps between questions "who is done?" on a GPU, where asking stalls it
_SHRINK = 0.75  # drop finished images once no more than this share of the batch is left


@dataclass(frozen=True)
class Decoded:
    """Captions of B images, S each.

    Shapes: tokens (B, S, T) long, zeros after the end token; log_probs (B, S, T), of each token
    under the policy that said it, end token included, zeros after it. T <= max_len: trailing steps
    that no caption needs are not run.
    """

    tokens: Tensor
    log_probs: Tensor


@torch.no_grad()
def decode(
    model: Captioner,
    features: FeatureBatch | Memory,
    samples: int = 0,
    greedy: bool = True,
    max_len: int = MAX_LENGTH,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    forbid: Collection[int] = (),
) -> Decoded:
    """Caption every image greedily (first) and by independent draws, in one batch.

    Dropout is as the model's mode says: call ``model.eval()`` first unless noise is wanted.

    Args:
        features: the images, or their ``Memory`` if the caller has encoded them already.
        samples: multinomial captions per image.
        greedy: put the greedy caption first.
        max_len: most steps of a caption, its end token included.
        temperature: divides the logits of the sampled captions (not of the greedy one).
        generator: makes the draws reproducible; on the device of the model.
        forbid: ids that are never said (UNK); the policy is renormalised without them.

    Raises:
        ConfigError: nothing to decode, or an argument out of range.

    Source: the samples and the baseline of Eq. 5-6 (self-critical training).
    """
    copies = samples + int(greedy)
    if samples < 0 or copies == 0:
        raise ConfigError(f"nothing to decode: samples={samples}", "set greedy=True or samples>0")
    if not temperature > 0:
        raise ConfigError(f"temperature={temperature} is not positive", "use greedy=True instead")

    def say(captions: _Captions, logits: Tensor, t: int) -> None:
        if temperature != 1.0:
            logits = torch.cat(
                [logits[:, : int(greedy)], logits[:, int(greedy) :] / temperature], 1
            )
        log_p = log_policy(logits)
        words = _choose(log_p, int(greedy), generator).masked_fill(captions.finished, END)
        captions.append(words, log_p.gather(-1, words.unsqueeze(-1)).squeeze(-1), t)

    return _run(model, features, copies, max_len, forbid, say)


@torch.no_grad()
def beam_search(
    model: Captioner,
    features: FeatureBatch | Memory,
    size: int = 3,
    max_len: int = MAX_LENGTH,
    forbid: Collection[int] = (),
) -> Decoded:
    """The ``size`` captions per image (S = size) that beam search finds, best first.

    The score is the plain sum of log-probabilities. A finished caption stays in the beam with its
    score frozen until ``size`` better ones push it out. Where fewer than ``size`` captions exist,
    the last ones have a score of -inf.

    Raises:
        ConfigError: an argument out of range.

    Source: X-modaler's BeamSearcher (published sizes: 3; Transformer and Meshed-Memory 2).
    """
    if size < 1:
        raise ConfigError(f"beam size {size} is not positive", "use a size of 1 (greedy) or more")

    def say(captions: _Captions, logits: Tensor, t: int) -> Tensor:
        log_p = log_policy(logits)
        frozen = captions.finished.unsqueeze(-1)
        log_p = log_p.masked_fill(frozen, float("-inf"))
        log_p[..., END] = log_p[..., END].masked_fill(captions.finished, 0.0)
        if t == 0:  # all beams are the same empty caption: extend the first only
            log_p[:, 1:] = float("-inf")
        scores = captions.log_probs.sum(-1, keepdim=True) + log_p
        best = scores.flatten(1).topk(size).indices
        parent, words = best // logits.shape[-1], best % logits.shape[-1]
        said = log_p.flatten(1).gather(1, best)
        captions.reorder(parent)
        captions.append(words, said, t)
        return parent

    return _run(model, features, size, max_len, forbid, say)


def score(model: Captioner, memory: Memory, tokens: Tensor, forbid: Collection[int] = ()) -> Tensor:
    """Log-probabilities of given captions of encoded images; differentiable.

    Shapes: tokens (B, S, T) long, as :func:`decode` returns them -> (B, S, T). In the mode and with
    the ``forbid`` of the decoding they equal its ``log_probs`` (at temperature 1).
    """
    logits = model.decode_teacher_forced(memory, shift_right(tokens))
    return sequence_log_probs(logits, tokens, forbid)


def sequence_log_probs(logits: Tensor, tokens: Tensor, forbid: Collection[int] = ()) -> Tensor:
    """Log-probability of each token of a caption, its end token included; zero after it.

    Shapes: logits (..., T, V) of teacher forcing, tokens (..., T) long -> (..., T). The policy is
    renormalised without the ``forbid`` ids.
    """
    log_p = log_policy(hide(logits, forbidden_ids(forbid, logits)))
    picked = log_p.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return picked.masked_fill(~said_mask(tokens), 0.0)


def said_mask(tokens: Tensor) -> Tensor:
    """True up to and including the first end token. Shapes: (..., T) long -> (..., T) bool."""
    end = tokens == END
    return end.cumsum(-1) - end.long() == 0


def log_policy(logits: Tensor) -> Tensor:
    """Log-softmax over the last dimension, in float32 at least (also under mixed precision)."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def forbidden_ids(forbid: Collection[int], logits: Tensor) -> Tensor:
    """Ids that are never said, (F,) long beside the logits (..., V).

    Raises:
        ConfigError: an id outside the vocabulary, or the end token (captions could never end).
    """
    vocab_size = logits.shape[-1]
    if wrong := [i for i in forbid if not END < i < vocab_size]:
        fix = f"give ids from 1 to {vocab_size - 1}; {END} ends captions"
        raise ConfigError(f"cannot forbid token ids {wrong}", fix)
    return torch.tensor(sorted(forbid), dtype=torch.long, device=logits.device)


def hide(logits: Tensor, forbidden: Tensor) -> Tensor:
    """Set the logits (..., V) of the forbidden ids (F,) to -inf, out of place."""
    return logits.index_fill(-1, forbidden, float("-inf")) if len(forbidden) else logits


@dataclass
class _Captions:
    """Captions in progress, (B, S, max_len), of the images still in the batch."""

    images: Tensor  # (B,) positions in the caller's batch
    tokens: Tensor
    log_probs: Tensor
    finished: Tensor  # (B, S)

    @classmethod
    def empty(cls, images: int, copies: int, max_len: int, like: Tensor) -> _Captions:
        """No words yet; log_probs get the dtype and device of ``like``."""
        shape = (images, copies, max_len)
        tokens = torch.full(shape, END, device=like.device)
        finished = torch.zeros(shape[:2], dtype=torch.bool, device=like.device)
        dtype = torch.promote_types(like.dtype, torch.float32)
        everyone = torch.arange(images, device=like.device)
        return cls(everyone, tokens, torch.zeros(shape, dtype=dtype, device=like.device), finished)

    def last(self, t: int) -> Tensor:
        """The words to feed at step t, (B * S,)."""
        return self.tokens[..., t - 1].flatten()  # at t = 0 the last column, which is still END

    def append(self, words: Tensor, log_probs: Tensor, t: int) -> None:
        self.tokens[..., t] = words
        self.log_probs[..., t] = log_probs.masked_fill(self.finished, 0.0)
        self.finished = self.finished | (words == END)

    def reorder(self, parent: Tensor) -> None:
        """Caption s of image b continues caption ``parent[b, s]``. Shapes: parent (B, S) long."""
        rows = parent.unsqueeze(-1).expand_as(self.tokens)
        self.tokens = self.tokens.gather(1, rows)
        self.log_probs = self.log_probs.gather(1, rows)
        self.finished = self.finished.gather(1, parent)

    def keep(self, left: Tensor) -> _Captions:
        return _Captions(
            self.images[left], self.tokens[left], self.log_probs[left], self.finished[left]
        )


def _run(
    model: Captioner,
    features: FeatureBatch | Memory,
    copies: int,
    max_len: int,
    forbid: Collection[int],
    say: Callable[[_Captions, Tensor, int], Tensor | None],
) -> Decoded:
    """The loop over words that all searches share.

    Args:
        say: given logits (B, S, V) of step t, appends one word to every caption; returns the
            parents (B, S) if captions changed places within their image.
    """
    if max_len < 1:
        raise ConfigError(f"max_len={max_len} leaves no room for a word", "use max_len >= 1")
    memory = features if isinstance(features, Memory) else model.encode(features)
    state = model.start(memory, copies, max_len)
    like = next(model.parameters())
    captions = _Captions.empty(memory.batch_size, copies, max_len, like)
    tokens, log_probs = captions.tokens.clone(), captions.log_probs.clone()
    for t in range(max_len):
        logits, state = model.step(captions.last(t), state)
        if t == 0:
            forbidden = forbidden_ids(forbid, logits)
        parent = say(captions, hide(logits, forbidden).view(-1, copies, logits.shape[-1]), t)
        if parent is not None:
            first = torch.arange(len(parent), device=parent.device).unsqueeze(1) * copies
            state = state.reorder((first + parent).flatten())
        if t < max_len - 1 and like.device.type != "cpu" and (t + 1) % _CHECK_EVERY:
            continue
        left = (~captions.finished.all(1)).nonzero().squeeze(1)
        done = len(left) == 0 or t == max_len - 1
        if done or len(left) <= _SHRINK * len(captions.images):
            tokens[captions.images], log_probs[captions.images] = (
                captions.tokens,
                captions.log_probs,
            )
            if done:
                break
            state, captions = state.keep(left), captions.keep(left)
    return Decoded(tokens[..., : t + 1], log_probs[..., : t + 1])


def _choose(log_p: Tensor, greedy: int, generator: torch.Generator | None) -> Tensor:
    """Next words (B, S): argmax for the first ``greedy`` captions, draws for the others."""
    best = log_p[:, :greedy].argmax(-1)
    rest = log_p[:, greedy:]
    if not rest.shape[1]:
        return best
    return torch.cat([best, _draw(rest.exp().flatten(0, 1), generator).view(rest.shape[:2])], 1)


def _draw(weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """One multinomial draw per row. Shapes: weights (R, V) >= 0 -> (R,) long.

    On a CPU by inverting the distribution function, ten times as fast as torch.multinomial. In
    float64 the point stays strictly below the total: a word of probability 0 is never drawn.
    """
    if weights.device.type != "cpu":  # cumsum is not deterministic on CUDA
        return torch.multinomial(weights, 1, generator=generator).squeeze(1)
    total = weights.cumsum(-1, dtype=torch.float64)
    point = torch.rand(len(weights), 1, dtype=torch.float64, generator=generator) * total[:, -1:]
    return torch.searchsorted(total, point, right=True).squeeze(1)
