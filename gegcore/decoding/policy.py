"""From logits to the policy that says the next word, and what it makes of given captions."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from gegcore.errors import ConfigError
from gegcore.models.captioner import END, Captioner, Memory, shift_right


def said_mask(tokens: Tensor) -> Tensor:
    """True up to and including the first end token. Shapes: (..., T) long -> (..., T) bool."""
    end = tokens == END
    return end.cumsum(-1) - end.long() == 0


def log_policy(logits: Tensor) -> Tensor:
    """Log-softmax over the last dimension, in float32 at least (also under mixed precision)."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def policy(logits: Tensor) -> Tensor:
    """Softmax over the last dimension, in float32 at least (also under mixed precision)."""
    return logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def forbidden_ids(forbid: Collection[int], logits: Tensor) -> Tensor:
    """Ids that are never said, (F,) long beside the logits (..., V).

    Raises:
        ConfigError: an id outside the vocabulary, or the end token (captions could never end).
    """
    vocab_size = logits.shape[-1]
    if wrong := [i for i in forbid if not END < i < vocab_size]:
        fix = f"give ids from 1 to {vocab_size - 1}; {END} ends captions"
        raise ConfigError(f"cannot forbid token ids {wrong}", fix)
    # Not blocking: a GPU need not be waited for.
    return torch.tensor(sorted(forbid), dtype=torch.long).to(logits.device, non_blocking=True)


def hide(logits: Tensor, forbidden: Tensor) -> Tensor:
    """Set the logits (..., V) of the forbidden ids (F,) to -inf, out of place."""
    return logits.index_fill(-1, forbidden, float("-inf")) if len(forbidden) else logits


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
    logits = hide(logits, forbidden_ids(forbid, logits))
    picked = log_policy(logits).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return picked.masked_fill(~said_mask(tokens), 0.0)
