"""Captions that break off: the share whose last word cannot end an English sentence.

Rewarding CIDEr without the end token causes them ("with a", "on the"); training logs the rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

ARTICLES = ("a", "an", "the")
POSSESSIVES = ("her", "his", "its", "my", "our", "their", "your")
CONJUNCTIONS = ("and", "as", "because", "but", "or", "than", "that", "while")
PREPOSITIONS = (
    *("against", "along", "among", "around", "at", "atop", "beneath", "beside", "between", "by"),
    *("during", "for", "from", "in", "inside", "into", "near", "of", "on", "onto", "over"),
    *("through", "to", "toward", "towards", "under", "underneath", "upon", "with", "without"),
)
AUXILIARIES = ("am", "are", "be", "been", "being", "has", "have", "is", "was", "were")

BAD_ENDINGS = frozenset(ARTICLES + POSSESSIVES + CONJUNCTIONS + PREPOSITIONS + AUXILIARIES)
"""Function words that need another word behind them.

As in self-critical code bases, without words that also end a sentence as an adverb, a pronoun or a
noun: "outside", "behind", "above", "below", "off", "up", "down", "by itself", "this", "front".
"""


def ending_ids(words: Sequence[str]) -> Tensor:
    """Ids `(E,)`, ascending, of the `Vocabulary.words` that cannot end a caption."""
    ids = [i for i, word in enumerate(words, 1) if word in BAD_ENDINGS]
    return torch.tensor(ids, dtype=torch.long)


def bad_ending_rate(tokens: Tensor, ids: Tensor) -> Tensor:
    """Share `()` float32 of captions whose last word is in `ids`, NaN of none; no host sync.

    Args:
        tokens: `(..., T)` int64, 0-padded from the end token on. A caption that fills all T steps
            counts like any other; one without words does not end badly.
        ids: `(E,)` from `ending_ids`, on the same device.
    """
    words = (tokens != 0).long().cumprod(-1).sum(-1, keepdim=True)
    last = tokens.gather(-1, (words - 1).clamp(min=0))
    return (last == ids).any(-1).float().mean()
