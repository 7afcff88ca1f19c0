"""Groups by what references say: pycocoevalcap's own CIDEr of every pair is the witness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocoevalcap.cider.cider_scorer import CiderScorer, precook

from gegcore.errors import DataError
from gegcore.metrics.caption_groups import groups_by_cider

WORDS = [
    "a",
    "the",
    "red",
    "blue",
    "dog",
    "cat",
    "runs",
    "sits",
    "on",
    "grass",
    "in",
    "park",
    "with",
]


def references(count: int = 14, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [
        [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(rng.integers(1, 4))]
        for _ in range(count)
    ]


def mean_cider(said: list[list[str]]) -> np.ndarray:
    """CIDEr of every reference of one image with every one of another, by the slow way."""
    scorer = CiderScorer()
    for captions in said:
        scorer += (captions[0], captions)
    scorer.compute_doc_freq()
    scorer.ref_len = np.log(float(len(said)))
    found = np.zeros((len(said), len(said)))

    def vector(caption: str) -> list[dict]:
        vec: list[dict] = [{} for _ in range(4)]
        for gram, n in precook(caption).items():
            idf = scorer.ref_len - np.log(max(1.0, scorer.document_frequency[gram]))
            vec[len(gram) - 1][gram] = n * idf
        return vec

    def cosine(a: dict, b: dict) -> float:
        norms = [np.sqrt(sum(x * x for x in each.values())) for each in (a, b)]
        dot = sum(value * b.get(gram, 0.0) for gram, value in a.items())
        return dot / (norms[0] * norms[1]) if all(norms) else 0.0

    for i, own in enumerate(said):
        for j, other in enumerate(said):
            pairs = [(vector(x), vector(y)) for x in own for y in other]
            found[i, j] = np.mean(
                [np.mean([cosine(a[n], b[n]) for n in range(4)]) for a, b in pairs]
            )
    return found


@pytest.mark.parametrize("seed", range(3))
def test_they_are_the_highest_mean_cider(seed: int) -> None:
    said = references(seed=seed)
    similarity = mean_cider(said)
    np.fill_diagonal(similarity, -1)
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :4]
    found = groups_by_cider(said, 4).numpy()
    values = [np.take_along_axis(similarity, each, 1) for each in (found, expected)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_images_alike_find_each_other_and_ties_go_to_the_first() -> None:
    said = [["a red dog"], ["a blue cat"], ["a red dog runs"], ["a blue cat sits"], ["grass"]]
    assert groups_by_cider(said, 1).flatten().tolist() == [2, 3, 0, 1, 0]


def test_k_must_leave_others() -> None:
    with pytest.raises(DataError, match="K = 3 need more than 3 images"):
        groups_by_cider([["a"], ["b"], ["c"]], 3)
    assert groups_by_cider([["a b"], ["a b"]], 1).dtype == torch.int64
