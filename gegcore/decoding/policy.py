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


def block_repeats(logits: Tensor, said: Tensor, ngram: int) -> Tensor:
    """Set the logits of words that would say an n-gram for the second time to -inf, out of place.

    The end token is never blocked: a caption that has run out of words can always end.

    Shapes: logits (..., V) of the next word, said (..., t) long, the words so far -> (..., V). With
    ``ngram`` 0 nothing is blocked.

    Source: Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization", Sec. 2.5
    (trigrams).
    """
    if ngram == 0 or said.shape[-1] < ngram:
        return logits
    windows = said.unfold(-1, ngram, 1)  # (..., t - n + 1, n)
    tail = said[..., None, said.shape[-1] - ngram + 1 :]
    repeats = (windows[..., :-1] == tail).all(-1)
    words = windows[..., -1].where(repeats, END)  # END stands for "nothing", and is set right below
    blocked = logits.scatter(-1, words, float("-inf"))
    blocked[..., END] = logits[..., END]
    return blocked


def truncate(p: Tensor, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Keep the likely words of a policy and renormalise it; the others get probability 0.

    First the ``top_k`` likeliest words, then of these, renormalised, the fewest that hold a
    probability of ``top_p`` (the nucleus). Equally likely words at the edge: any of them.

    Shapes: p (..., V), probabilities -> (..., V). With ``top_k`` 0 and ``top_p`` 1 all are kept.

    Source: Fan et al. 2018 (top-k); Holtzman et al. 2020, "The Curious Case of Neural Text
    Degeneration", Sec. 3.1 (nucleus). The order of the two is that of Hugging Face Transformers.
    """
    if top_k == 0 and top_p == 1.0:
        return p
    vocab_size = p.shape[-1]
    kept, words = p.topk(min(top_k or vocab_size, vocab_size), -1)  # likeliest first
    kept = kept / kept.sum(-1, keepdim=True)
    likelier = kept.cumsum(-1) - kept
    kept = kept.masked_fill(likelier >= top_p, 0.0)
    kept = kept / kept.sum(-1, keepdim=True)
    return torch.zeros_like(p).scatter(-1, words, kept)


def score(
    model: Captioner,
    memory: Memory,
    tokens: Tensor,
    forbid: Collection[int] = (),
    no_repeat_ngram: int = 0,
    temperature: float = 1.0,
) -> Tensor:
    """Log-probabilities of given captions of encoded images; differentiable.

    Shapes: tokens (B, S, T) long, as :func:`decode` returns them -> (B, S, T). In the mode and with
    the ``forbid``, ``no_repeat_ngram`` and ``temperature`` of the decoding they equal its
    ``log_probs`` (without top-k and top-p).
    """
    inputs = shift_right(tokens)
    # With dropout every caption has its own noise; a GPU is not waited for.
    if model.training or tokens.is_cuda or no_repeat_ngram:
        logits = model.decode_teacher_forced(memory, inputs) / temperature
        return sequence_log_probs(logits, tokens, forbid, no_repeat_ngram)
    logits, number = model.decode_prefixes(memory, inputs)
    logits = logits if temperature == 1 else logits / temperature
    log_p = log_policy(hide(logits, forbidden_ids(forbid, logits)))
    picked = log_p.flatten().gather(0, (number * log_p.shape[1] + tokens).flatten())
    return picked.view(tokens.shape).masked_fill(~said_mask(tokens), 0.0)


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
