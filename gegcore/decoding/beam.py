"""Beam search."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch
from gegcore.decoding.growth import Captions, Decoded, grow
from gegcore.decoding.policy import log_policy
from gegcore.errors import ConfigError
from gegcore.models.captioner import END, MAX_LENGTH, Captioner, Memory

_NEVER = float("-inf")


@torch.no_grad()
def beam_search(
    model: Captioner,
    features: FeatureBatch | Memory,
    size: int = 3,
    max_len: int = MAX_LENGTH,
    forbid: Collection[int] = (),
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
) -> Decoded:
    """The ``size`` captions per image (S = size) that beam search finds, best first.

    The score is the sum of log-probabilities, divided by ``((5 + L) / 6) ** length_penalty`` for
    a caption of L tokens, its end token included. A finished caption stays in the beam with its
    score frozen until ``size`` better ones push it out; an unfinished one competes with the score
    it has so far. An image is done when all its captions are finished: nothing can change then,
    whatever the penalty. Where fewer than ``size`` captions exist, the last ones have a score of
    -inf.

    Args:
        features, max_len, forbid, no_repeat_ngram: as :func:`decode` has them.
        size: captions kept per image.
        length_penalty: 0: the plain sum (X-modaler); Wu et al. use 0.6 to 0.7; more favours
            longer captions.

    Raises:
        ConfigError: an argument out of range.

    Source: X-modaler's BeamSearcher (published sizes: 3; Transformer and Meshed-Memory 2); length
    penalty of Wu et al. 2016, "Google's Neural Machine Translation System", Eq. 14.
    """
    if size < 1:
        raise ConfigError(f"beam size {size} is not positive", "use a size of 1 (greedy) or more")
    if not 0 <= length_penalty < math.inf:
        fix = "use 0 for the plain sum, or a number such as 0.6 to favour longer captions"
        raise ConfigError(f"length_penalty={length_penalty} is not a number >= 0", fix)

    def say(captions: Captions, logits: Tensor, t: int) -> None:
        log_p, words = _extensions(captions, logits, size, t)
        length = (captions.tokens > END).sum(-1, keepdim=True) + 1
        penalty = ((5 + length) / 6) ** length_penalty
        scores = (captions.log_probs.sum(-1, keepdim=True) + log_p) / penalty
        best = scores.flatten(1).topk(size).indices
        captions.reorder(best // log_p.shape[-1])
        said = log_p.flatten(1).gather(1, best)
        word = words.flatten(1).gather(1, best).masked_fill(said == _NEVER, END)
        captions.append(word, said, t)

    return grow(model, features, size, max_len, forbid, no_repeat_ngram, say)


def _extensions(captions: Captions, logits: Tensor, size: int, t: int) -> tuple[Tensor, Tensor]:
    """The likeliest next words of every caption, enough of them to fill the beam.

    Shapes: logits (R, V) -> log-probabilities and words (B, S, min(S, V)).
    """
    log_p, words = log_policy(logits).topk(min(size, logits.shape[-1]))
    log_p, words = log_p[captions.row], words[captions.row]
    log_p = log_p.masked_fill(captions.finished.unsqueeze(-1), _NEVER)
    log_p[..., 0] = log_p[..., 0].masked_fill(captions.finished, 0.0)  # stays as it is
    words[..., 0] = words[..., 0].masked_fill(captions.finished, END)
    if t == 0:  # all captions are the same empty one: extend the first only
        log_p[:, 1:] = _NEVER
    return log_p, words
