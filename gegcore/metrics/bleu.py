"""Corpus BLEU from sufficient statistics, as pycocoevalcap counts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer

ORDERS = 4
STATISTICS = 2 + 2 * ORDERS

# pycocoevalcap's guards against division by zero, kept so that values are equal.
_SMALL, _TINY = 1e-9, 1e-15


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Counts of each tokenised caption, `(M, 10)` float64; their sum gives corpus BLEU.

    Columns: length, length of the closest reference, number of n-grams (n = 1..4), number of
    these found in the references (clipped).
    """
    rows = []
    for hypothesis, captions in zip(hypotheses, references, strict=True):
        scorer = BleuScorer(n=ORDERS)  # A new one: it keeps all n-grams, 12 kB an image.
        scorer += (hypothesis, list(captions))
        (counted,) = scorer.ctest
        length = counted["testlen"]
        closest = min((abs(other - length), other) for other in counted["reflen"])[1]
        rows.append([length, closest, *counted["guess"], *counted["correct"]])
    return np.array(rows, dtype=np.float64).reshape(-1, STATISTICS)


def bleu_score(statistics: np.ndarray, order: int) -> np.ndarray:
    """BLEU-`order` of summed statistics `(..., 10)` -> `(...)` in [0, 1].

    Source: papineni2002bleu; brevity penalty against the closest reference length.
    """
    guess = statistics[..., 2 : 2 + order]
    correct = statistics[..., 2 + ORDERS : 2 + ORDERS + order]
    precision = np.prod((correct + _TINY) / (guess + _SMALL), axis=-1) ** (1 / order)
    ratio = (statistics[..., 0] + _TINY) / (statistics[..., 1] + _SMALL)
    return precision * np.exp(np.minimum(0.0, 1 - 1 / ratio))
