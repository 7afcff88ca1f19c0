"""Log-probabilities of given captions, with gradient."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from gegcore.decoding.policy import block_repeats, forbidden_ids, hide, log_policy, said_mask
from gegcore.models.captioner import Captioner, Memory, shift_right


def score(
    model: Captioner,
    memory: Memory,
    tokens: Tensor,
    forbid: Collection[int] = (),
    no_repeat_ngram: int = 0,
) -> Tensor:
    """Log-probabilities of given captions of encoded images; differentiable.

    Shapes: tokens (B, S, T) long, as :func:`decode` returns them -> (B, S, T). In the mode and with
    the ``forbid`` and ``no_repeat_ngram`` of the decoding they equal its ``log_probs`` (at
    temperature 1, without top-k and top-p).
    """
    logits = model.decode_teacher_forced(memory, shift_right(tokens))
    return sequence_log_probs(logits, tokens, forbid, no_repeat_ngram)


def sequence_log_probs(
    logits: Tensor, tokens: Tensor, forbid: Collection[int] = (), no_repeat_ngram: int = 0
) -> Tensor:
    """Log-probability of each token of a caption, its end token included; zero after it.

    Shapes: logits (..., T, V) of teacher forcing, tokens (..., T) long -> (..., T). The policy is
    renormalised without the ``forbid`` ids and without words that repeat an n-gram.
    """
    logits = hide(logits, forbidden_ids(forbid, logits))
    if no_repeat_ngram:
        steps = range(tokens.shape[-1])
        allowed = [
            block_repeats(logits[..., t, :], tokens[..., :t], no_repeat_ngram) for t in steps
        ]
        logits = torch.stack(allowed, dim=-2)
    picked = log_policy(logits).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return picked.masked_fill(~said_mask(tokens), 0.0)
