"""Log-probabilities of given captions, with gradient."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from gegcore.decoding.policy import forbidden_ids, hide, log_policy, said_mask
from gegcore.models.captioner import Captioner, Memory, shift_right


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
