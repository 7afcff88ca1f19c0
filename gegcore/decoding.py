"""From a captioner to captions: greedy and multinomial decoding of many captions per image at once.

Knows captioners only by their interface (``gegcore.models.captioner``). One encoding per image, one
batch of B * S' rows for the greedy caption and all samples, one step per word (no prefix re-run).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gegcore.errors import ConfigError
from gegcore.models.captioner import END, MAX_LENGTH, Captioner, Memory, shift_right

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch

_CHECK_EVERY = 4  # steps between questions "is everyone done?" on a GPU, where asking stalls it


@dataclass(frozen=True)
class Decoded:
    """Captions of B images, S' each (the greedy one first if it was asked for).

    Shapes: tokens (B, S', T) long, zeros after the end token; log_probs (B, S', T), of each token
    under the policy it was drawn from, end token included, zeros after it. T <= max_len: trailing
    steps that no caption needs are not run.
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
    """Caption every image greedily and by ``samples`` independent draws, in one batch.

    Dropout is as the model's mode says: call ``model.eval()`` first unless noise is wanted.

    Args:
        features: the images, or their ``Memory`` if the caller has encoded them already.
        samples: multinomial captions per image.
        greedy: put the greedy caption first.
        max_len: most steps of a caption, its end token included.
        temperature: divides the logits of the sampled rows (not of the greedy ones).
        generator: makes the draws reproducible; on the device of the model.
        forbid: ids that are never said (UNK); the policy is renormalised without them.

    Raises:
        ConfigError: nothing to decode, or an argument out of range.

    Source: the samples and the baseline of Eq. 5-6 (self-critical training).
    """
    copies = samples + int(greedy)
    _check(samples, copies, max_len, temperature)
    memory = features if isinstance(features, Memory) else model.encode(features)
    device = next(model.parameters()).device
    forbidden = forbidden_ids(forbid, model.vocab_size, device)
    state = model.start(memory, copies, max_len)
    words = torch.full((memory.batch_size * copies,), END, device=device)
    finished = torch.zeros_like(words, dtype=torch.bool)
    tokens, log_probs = [], []
    for t in range(max_len):
        logits, state = model.step(words, state)
        log_p = _log_policy(logits, forbidden).view(memory.batch_size, copies, -1)
        words = _choose(log_p, greedy, temperature, generator)
        log_prob = log_p.flatten(0, 1).gather(1, words.unsqueeze(1)).squeeze(1)
        words = words.masked_fill(finished, END)
        tokens.append(words)
        log_probs.append(log_prob.masked_fill(finished, 0.0))
        finished = finished | (words == END)
        if _worth_asking(t, device) and bool(finished.all()):
            break
    shape = (memory.batch_size, copies, len(tokens))
    return Decoded(torch.stack(tokens, 1).view(shape), torch.stack(log_probs, 1).view(shape))


def score(model: Captioner, memory: Memory, tokens: Tensor, forbid: Collection[int] = ()) -> Tensor:
    """Log-probabilities of given captions of encoded images; differentiable.

    Shapes: tokens (B, S, T) long, as :func:`decode` returns them -> (B, S, T). In the mode and with
    the ``forbid`` of the decoding, they equal its ``log_probs`` (at temperature 1).
    """
    logits = model.decode_teacher_forced(memory, shift_right(tokens))
    return sequence_log_probs(logits, tokens, forbid)


def sequence_log_probs(logits: Tensor, tokens: Tensor, forbid: Collection[int] = ()) -> Tensor:
    """Log-probability of each token of a caption, its end token included; zero after it.

    Shapes: logits (..., T, V) of teacher forcing, tokens (..., T) long -> (..., T). The policy is
    renormalised without the ``forbid`` ids.
    """
    forbidden = forbidden_ids(forbid, logits.shape[-1], logits.device)
    log_p = _log_policy(logits, forbidden)
    picked = log_p.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return picked.masked_fill(~said_mask(tokens), 0.0)


def said_mask(tokens: Tensor) -> Tensor:
    """True up to and including the first end token. Shapes: (..., T) long -> (..., T) bool."""
    ended = (tokens == END).cumsum(-1)
    return ended - (tokens == END).long() == 0


def forbidden_ids(forbid: Collection[int], vocab_size: int, device: torch.device) -> Tensor | None:
    """Check ids that must not be said and put them on a device; None if there are none.

    Raises:
        ConfigError: an id outside the vocabulary, or the end token (captions could never end).
    """
    if not forbid:
        return None
    wrong = [i for i in forbid if not END < i < vocab_size]
    if wrong:
        raise ConfigError(
            f"cannot forbid token ids {wrong}",
            f"give ids from 1 to {vocab_size - 1}; 0 ends captions",
        )
    return torch.tensor(sorted(forbid), device=device)


def _log_policy(logits: Tensor, forbidden: Tensor | None) -> Tensor:
    if forbidden is not None:
        logits = logits.index_fill(-1, forbidden, float("-inf"))
    return (
        logits.float().log_softmax(-1) if logits.dtype != torch.float64 else logits.log_softmax(-1)
    )


def _choose(
    log_p: Tensor, greedy: bool, temperature: float, generator: torch.Generator | None
) -> Tensor:
    """Next words (B * S',): argmax for the greedy row of each image, draws for the others."""
    first = int(greedy)
    chosen = [log_p[:, :first].argmax(-1)] if greedy else []
    sampled = log_p[:, first:]
    if sampled.shape[1]:
        weights = (sampled / temperature).softmax(-1) if temperature != 1.0 else sampled.exp()
        draws = torch.multinomial(weights.flatten(0, 1), 1, generator=generator)
        chosen.append(draws.view(sampled.shape[:2]))
    return torch.cat(chosen, dim=1).flatten()


def _worth_asking(t: int, device: torch.device) -> bool:
    return device.type == "cpu" or t % _CHECK_EVERY == _CHECK_EVERY - 1


def _check(samples: int, copies: int, max_len: int, temperature: float) -> None:
    if samples < 0 or copies == 0:
        raise ConfigError(
            f"nothing to decode: samples={samples}", "ask for greedy=True or samples>0"
        )
    if max_len < 1:
        raise ConfigError(f"max_len={max_len} leaves no room for a word", "use max_len >= 1")
    if not temperature > 0:
        raise ConfigError(
            f"temperature={temperature} is not positive", "use greedy=True for argmax"
        )
