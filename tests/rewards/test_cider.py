"""CIDEr-D against golden scores, an independent slow implementation, and its own invariants."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gegcore.errors import ConfigError, DataError
from gegcore.rewards.cider import CiderD, document_frequency
from gegcore.rewards.ngrams import count_ngrams

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity" / "ciderd_fixture.json"
VOCAB, WIDTH = 7, 9

caption = st.lists(st.integers(1, VOCAB - 1), max_size=WIDTH)
corpus = st.lists(st.lists(caption, min_size=1, max_size=4), min_size=2, max_size=5)


def pad(captions: list[list[int]], width: int) -> Tensor:
    """Ids `(M, width)`; a caption that fills the row has no end token."""
    tokens = torch.zeros(len(captions), width, dtype=torch.long)
    for row, words in enumerate(captions):
        tokens[row, : len(words)] = torch.tensor(words, dtype=torch.long)
    return tokens


def grams(tokens: list[int]) -> Counter[tuple[int, ...]]:
    return Counter(
        tuple(tokens[i : i + n]) for n in range(1, 5) for i in range(len(tokens) - n + 1)
    )


def slow_ciderd(
    hypothesis: list[int], references: list[list[int]], documents: list[list[list[int]]]
) -> float:
    """CIDEr-D by dictionaries, straight from the definition (Vedantam et al. 2015, Sec. 6)."""
    seen = Counter(g for captions in documents for g in set().union(*(grams(c) for c in captions)))

    def vector(tokens: list[int], n: int) -> dict[tuple[int, ...], float]:
        idf = {g: math.log(len(documents)) - math.log(max(1, seen[g])) for g in grams(tokens)}
        return {g: count * idf[g] for g, count in grams(tokens).items() if len(g) == n}

    total = 0.0
    for reference in references:
        for n in range(1, 5):
            h, r = vector(hypothesis, n), vector(reference, n)
            norm = math.sqrt(sum(v * v for v in h.values()) * sum(v * v for v in r.values()))
            dot = sum(min(h[g], r[g]) * r[g] for g in h.keys() & r.keys())
            gap = max(len(hypothesis) - 1, 0) - max(len(reference) - 1, 0)
            total += (dot / norm if norm > 0 else 0.0) * math.exp(-(gap**2) / 72)
    return 10 * total / (4 * len(references))


def test_golden_scores() -> None:
    stored = json.loads(FIXTURE.read_text())

    def words(captions: list[list[int]]) -> list[list[int]]:
        return [c[:-1] for c in captions]

    vocab = 1 + max(t for c in stored["df_corpus"] + stored["refs"] for r in c for t in r)
    vocab = max(vocab, 1 + max(t for h in stored["hyps"] for t in h))
    frequency = document_frequency([words(c) for c in stored["df_corpus"]], vocab)
    scorer = CiderD([words(c) for c in stored["refs"]], vocab, frequency)
    width = max(len(h) for h in stored["hyps"])
    scores = scorer(pad(stored["hyps"], width)[:, None], torch.arange(len(stored["hyps"])))[:, 0]
    np.testing.assert_allclose(scores, stored["scores"], atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(corpus, st.data(), st.booleans())
def test_equals_slow_reference(
    documents: list[list[list[int]]], data: st.DataObject, count_end: bool
) -> None:
    images, samples = len(documents), 3
    hypotheses = data.draw(st.lists(caption, min_size=images * samples, max_size=images * samples))
    scorer = CiderD(documents, VOCAB, count_end=count_end)
    tokens = pad(hypotheses, WIDTH).view(images, samples, WIDTH)
    scores = scorer(tokens, torch.arange(images))

    def ended(words: list[int], room: int | None = None) -> list[int]:
        full = room is not None and len(words) == room
        return words + [0] if count_end and not full else words

    finished = [[ended(c) for c in captions] for captions in documents]
    expected = [
        slow_ciderd(ended(h, WIDTH), finished[i // samples], finished)
        for i, h in enumerate(hypotheses)
    ]
    np.testing.assert_allclose(scores.flatten(), expected, atol=1e-5)


def test_rows_do_not_depend_on_each_other() -> None:
    documents = [[[1, 2, 3, 4], [1, 2]], [[2, 3], [5, 6, 1]], [[4, 4, 4]]]
    scorer = CiderD(documents, VOCAB)
    tokens = pad([[1, 2, 3], [5, 6], [4, 4]], WIDTH)[:, None]
    together = scorer(tokens, torch.arange(3))
    apart = torch.cat([scorer(tokens[i : i + 1], torch.tensor([i])) for i in range(3)])
    torch.testing.assert_close(together, apart)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(scorer(tokens[order], order), together[order])


def test_counts_of_repeated_ngrams() -> None:
    counted = count_ngrams(torch.tensor([[3, 3, 3, 1, 0]]), torch.tensor([4]), VOCAB)
    per_order = [
        sorted(counted.counts[0][(counted.orders[0] == n) & (counted.counts[0] > 0)].tolist())
        for n in range(4)
    ]
    assert per_order == [[1, 3], [1, 2], [1, 1], [1]]


def test_empty_caption_scores_zero_without_end_token() -> None:
    scorer = CiderD([[[1, 2]], [[3, 4]]], VOCAB, count_end=False)
    assert scorer(torch.zeros(1, 1, WIDTH, dtype=torch.long), torch.tensor([0])).item() == 0


def test_image_without_references_is_an_error() -> None:
    with pytest.raises(DataError, match="no reference"):
        CiderD([[[1, 2]], []], VOCAB)


def test_too_large_vocabulary_is_an_error() -> None:
    with pytest.raises(ConfigError, match="64-bit"):
        count_ngrams(torch.zeros(1, 5, dtype=torch.long), torch.tensor([5]), 50_000)
