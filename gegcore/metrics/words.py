"""The words of captions: how many different ones, how often the same again, how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from gegcore.endings import BAD_ENDINGS
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

REPEATED = 3
"""Words in a row that a caption says twice when it repeats itself.

"With lit candles with lit candles" (paper Sec. 4.4) is such a caption. Of accurate captions of the
embedded world, 4 in 10,000 are; two words, as "in the", come twice in 2 of 100 of them.
"""

SIGNATURES = {
    "distinct-1": "different words / words",
    "distinct-2": "different pairs of words / pairs",
    "vocabulary": "number of different words",
    "repetition": f"captions that say the same {REPEATED} words in a row twice",
    "bad endings": "captions whose last word cannot end a sentence",
    "length": "words per caption",
}


def words_metric(given: MetricInputs) -> Scores:
    """`word_scores` of the tokenised captions."""
    return word_scores(given.tokenized.captions)


def word_scores(captions: Sequence[str]) -> Scores:
    """All of `SIGNATURES` of M tokenised captions (blanks between words), shares in per cent.

    Different words are not a sum over captions: a resample with repetitions always has fewer. So
    their interval is that of the jackknife (`Statistic.jackknife`).

    Source: distinct-n li2016diversity; intervals efron1993introduction, Ch. 11.
    """
    words = [caption.split() for caption in captions]
    repeated = np.array([len(set(grams)) < len(grams) for grams in _ngrams(words, REPEATED)])
    bad = np.array([bool(said) and said[-1] in BAD_ENDINGS for said in words])
    length = np.array([len(said) for said in words])
    types, own = _count(words)
    return Scores(
        {
            **{f"distinct-{n}": _distinct(_ngrams(words, n)) for n in (1, 2)},
            "vocabulary": Statistic.jackknife(float(types), types - own),
            "repetition": Statistic.mean(100.0 * repeated),
            "bad endings": Statistic.mean(100.0 * bad),
            "length": Statistic.mean(length),
        },
        {"repetition": 100.0 * repeated, "bad endings": 100.0 * bad, "length": length},
        SIGNATURES,
    )


def _ngrams(words: Sequence[Sequence[str]], n: int) -> list[list[tuple[str, ...]]]:
    return [[tuple(said[i : i + n]) for i in range(len(said) - n + 1)] for said in words]


def _distinct(grams: Sequence[Sequence[tuple[str, ...]]]) -> Statistic:
    """Different n-grams in per cent of all."""
    types, own = _count(grams)
    sizes = np.array([len(of_one) for of_one in grams])
    total = sizes.sum()
    without = 100.0 * (types - own) / np.maximum(total - sizes, 1)
    return Statistic.jackknife(100.0 * types / max(total, 1), without)


def _count(units: Sequence[Sequence[object]]) -> tuple[int, np.ndarray]:
    """Number of different units, and for each caption of those that no other caption has."""
    captions_with = Counter(unit for of_one in units for unit in set(of_one))
    own = [sum(captions_with[unit] == 1 for unit in set(of_one)) for of_one in units]
    return len(captions_with), np.array(own)
