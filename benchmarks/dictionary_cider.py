"""CIDEr-D in dictionaries, as captioning code computes it: a peer to be measured against.

n-grams are tuples of word ids, tf-idf vectors are dictionaries, and captions are scored one after
the other. Written from the definition (Vedantam et al. 2015, Sec. 6); the length penalty counts
bigrams, as in the scorers of X-modaler and ruotianluo's cider.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

ORDERS = 4
Ngram = tuple[int, ...]


class Vector(NamedTuple):
    """tf-idf of one caption."""

    weights: list[dict[Ngram, float]]  # by n - 1
    norms: list[float]
    bigrams: int


def ngrams(words: Sequence[int]) -> Counter[Ngram]:
    """All n-grams of a caption, n = 1..4."""
    counts: Counter[Ngram] = Counter()
    for n in range(1, ORDERS + 1):
        for i in range(len(words) - n + 1):
            counts[tuple(words[i : i + n])] += 1
    return counts


class DictionaryCiderD:
    """CIDEr-D with the document frequencies of a corpus.

    Args:
        corpus: references of every image, word ids without the end token (id 0), which counts.
        keep: whether to keep the vectors of the references; peers make them anew at every call.
    """

    def __init__(self, corpus: Sequence[Sequence[Sequence[int]]], keep: bool = False) -> None:
        self.references = [[[*caption, 0] for caption in image] for image in corpus]
        self.documents = Counter(
            ngram
            for image in self.references
            for ngram in set().union(*(ngrams(caption) for caption in image))
        )
        self.log_images = math.log(len(corpus))
        self.kept = [list(map(self._vector, image)) for image in self.references] if keep else None

    def __call__(self, caption: Sequence[int], image: int) -> float:
        """Score one caption of an image, its end token included if it said one."""
        ours = self._vector(caption)
        theirs = self.kept[image] if self.kept else map(self._vector, self.references[image])
        scores = [self._similarity(ours, reference) for reference in theirs]
        return 10 * sum(scores) / len(scores)

    def _vector(self, words: Sequence[int]) -> Vector:
        weights: list[dict[Ngram, float]] = [{} for _ in range(ORDERS)]
        norms = [0.0] * ORDERS
        for ngram, count in ngrams(words).items():
            idf = self.log_images - math.log(max(1, self.documents[ngram]))
            weights[len(ngram) - 1][ngram] = count * idf
            norms[len(ngram) - 1] += (count * idf) ** 2
        return Vector(weights, [math.sqrt(x) for x in norms], max(0, len(words) - 1))

    @staticmethod
    def _similarity(ours: Vector, theirs: Vector) -> float:
        total = 0.0
        for n in range(ORDERS):
            dot = 0.0
            for ngram, weight in ours.weights[n].items():
                other = theirs.weights[n].get(ngram, 0.0)
                dot += min(weight, other) * other
            if ours.norms[n] and theirs.norms[n]:
                total += dot / (ours.norms[n] * theirs.norms[n])
        return total / ORDERS * math.exp(-((ours.bigrams - theirs.bigrams) ** 2) / 72)
