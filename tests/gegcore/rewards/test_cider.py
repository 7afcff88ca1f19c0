"""CIDEr-D against golden scores, an independent slow implementation, and its own invariants."""

from __future__ import annotations

import doctest
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocoevalcap.cider.cider_scorer import CiderScorer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gegcore.errors import ConfigError, DataError
from gegcore.rewards import cider
from gegcore.rewards.cider import (
    CiderD,
    ReferenceNgrams,
    cider_d,
    count_references,
    document_frequency,
    reference_scale,
)

FIXTURE = Path(__file__).parents[2] / "fixtures" / "parity" / "ciderd_fixture.json"
VOCAB, WIDTH = 7, 9
DOCUMENTS = [[[1, 2, 3, 4], [1, 2]], [[2, 3], [5, 6, 1], [2]], [[4, 4, 4]]]

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


@settings(deadline=None, max_examples=50)
@given(corpus, st.data(), st.booleans())
def test_equals_pycocoevalcap(
    documents: list[list[list[int]]], data: st.DataObject, count_end: bool
) -> None:
    """Its `Cider` is CIDEr-D too, with the document frequencies of the references it is given."""
    assume(count_end or any(words for captions in documents for words in captions))  # it raises
    size = len(documents)
    hypotheses = data.draw(st.lists(caption, min_size=size, max_size=size))

    def text(words: list[int]) -> str:
        return " ".join([*map(str, words), *["end"] * count_end])

    peer = CiderScorer(n=4, sigma=6.0)
    for hypothesis, captions in zip(hypotheses, documents, strict=True):
        peer += (text(hypothesis), [text(c) for c in captions])
    _, expected = peer.compute_score()
    tokens = pad(hypotheses, WIDTH + 1)[:, None]
    scores = CiderD(documents, VOCAB, count_end=count_end)(tokens, torch.arange(size))[:, 0]
    np.testing.assert_allclose(scores, expected, atol=5e-6)


def test_rows_do_not_depend_on_each_other() -> None:
    scorer = CiderD(DOCUMENTS, VOCAB)
    tokens = pad([[1, 2, 3], [5, 6], [4, 4]], WIDTH)[:, None]
    together = scorer(tokens, torch.arange(3))
    apart = torch.cat([scorer(tokens[i : i + 1], torch.tensor([i])) for i in range(3)])
    torch.testing.assert_close(together, apart)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(scorer(tokens[order], order), together[order])


def test_empty_caption_scores_zero_without_end_token() -> None:
    scorer = CiderD([[[1, 2]], [[3, 4]]], VOCAB, count_end=False)
    assert scorer(torch.zeros(1, 1, WIDTH, dtype=torch.long), torch.tensor([0])).item() == 0


def test_image_without_references_is_an_error() -> None:
    with pytest.raises(DataError, match="no reference"):
        CiderD([[[1, 2]], []], VOCAB)


@pytest.mark.parametrize("caption", [[1, 0, 2], [1, VOCAB], [-1]])
def test_id_outside_the_vocabulary_is_an_error(caption: list[int]) -> None:
    with pytest.raises(DataError, match=r"1\.\.6"):
        CiderD([[[1, 2]], [caption]], VOCAB)


@pytest.mark.parametrize("other", [(VOCAB + 1, True), (VOCAB, False)])
def test_document_frequencies_counted_in_another_way_are_an_error(other: tuple[int, bool]) -> None:
    frequency = document_frequency(DOCUMENTS, *other)
    with pytest.raises(ConfigError, match="document frequencies"):
        CiderD(DOCUMENTS, VOCAB, frequency)


def test_large_vocabulary_scores_alike() -> None:
    """Above 46,340 ids n-grams are hashed."""
    tokens = pad([[1, 2, 3, 4], [2, 3], [4, 4, 4, 4]], WIDTH)[:, None]
    exact, hashed = (CiderD(DOCUMENTS, size)(tokens, torch.arange(3)) for size in (VOCAB, 10**6))
    assert exact.min() > 0
    torch.testing.assert_close(exact, hashed)


@pytest.mark.parametrize("count_end", [False, True])
def test_one_call_scores_as_the_module(count_end: bool) -> None:
    frequency = document_frequency(DOCUMENTS, VOCAB, count_end)
    tokens = pad([[1, 2, 3, 4], [2, 3], [4, 4, 4, 4], [1, 2]], WIDTH).view(2, 2, WIDTH)
    index = torch.tensor([2, 0])
    expected = CiderD(DOCUMENTS, VOCAB, count_end=count_end)(tokens, index)
    torch.testing.assert_close(cider_d(tokens, [DOCUMENTS[i] for i in index], frequency), expected)


def test_what_is_counted_by_hand() -> None:
    """Two images of one n-gram each; and lengths, the end token counting by default."""
    counted = count_references([[[1], [1]], [[1]]], VOCAB, count_end=False)
    assert counted.start.tolist() == [0, 1, 2] and counted.orders.tolist() == [0, 0]
    assert counted.keys[0] == counted.keys[1]
    assert counted.counts.tolist() == [[1, 1], [1, 0]]
    assert counted.lengths.tolist() == [[1, 1], [1, -1]] and counted.counts.dtype == torch.uint8
    for length, dtype in ((255, torch.uint8), (256, torch.int32)):
        counts = count_references([[[3] * length]], VOCAB, count_end=False).counts
        assert counts[:, 0].max() == length and counts.dtype == dtype
    lengths = count_references(DOCUMENTS, VOCAB).lengths.tolist()
    assert lengths == [[5, 3, -1], [3, 4, 2], [4, -1, -1]]
    frequency = document_frequency([[[1], [1]], [[1]], [[2]]], VOCAB, count_end=False)
    assert sorted(frequency.idf[:2].tolist()) == pytest.approx([math.log(3 / 2), math.log(3)])
    assert len(frequency.idf) == len(frequency.table.keys) and not frequency.idf[2:].any()


def test_a_checkpoint_holds_no_references() -> None:
    assert not CiderD(DOCUMENTS, VOCAB).state_dict()


def test_a_million_ngrams_are_weighed_piece_by_piece() -> None:
    """Half as many again as fit in a piece, of one image and one order: each counts once."""
    entries = 3 << 19
    counted = ReferenceNgrams(
        torch.tensor([0, entries]),
        torch.arange(entries),
        torch.zeros(entries, dtype=torch.uint8),
        torch.ones(entries, 1, dtype=torch.uint8),
        torch.tensor([[entries]]),
    )
    scale = reference_scale(counted, torch.full((entries,), 2.0))
    expected = [1 / (4 * 2 * math.sqrt(entries)), 0.0, 0.0, 0.0]
    np.testing.assert_allclose(scale[0, 0], expected, rtol=1e-4)


def test_longer_rows_of_padding_change_nothing() -> None:
    scorer, captions = CiderD(DOCUMENTS, VOCAB), [[1, 2, 3], [], [4, 4, 4, 4]]
    narrow, wide = (scorer(pad(captions, n)[:, None], torch.arange(3)) for n in (5, 40))
    torch.testing.assert_close(narrow, wide, rtol=0, atol=0)


def test_a_word_repeated_more_often_than_a_byte_counts() -> None:
    documents = [[[3] * 300], [[1, 2]]]
    tokens = pad([[3] * 300, [3] * 44], 301)[None]
    scores = CiderD(documents, VOCAB)(tokens, torch.tensor([0]))
    assert scores[0, 0].item() == pytest.approx(10)
    assert scores[0, 1].item() == 0  # 256 bigrams shorter


def test_chunks_of_images_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = count_references(DOCUMENTS, VOCAB)
    monkeypatch.setattr(cider, "CHUNK", 2)
    for one, other in zip(whole, count_references(DOCUMENTS, VOCAB), strict=True):
        torch.testing.assert_close(one, other)


def test_never_looks_at_values_on_a_device() -> None:
    """On `meta` tensors there are no values: what would wait for a GPU raises."""
    scorer = CiderD(DOCUMENTS, VOCAB).to("meta")
    with pytest.raises((NotImplementedError, RuntimeError)):
        torch.zeros(1, device="meta").item()
    scores = scorer(
        torch.zeros(2, 3, WIDTH, dtype=torch.long, device="meta"),
        torch.zeros(2, dtype=torch.long, device="meta"),
    )
    assert (scores.shape, scores.dtype, scores.device.type) == ((2, 3), torch.float32, "meta")


class OnlyOnDevice(TorchDispatchMode):
    """Forbids operations whose result the host must wait for, as a GPU would see them."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "equal", "is_nonzero")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert not any(name.startswith(word) for word in self.FORBIDDEN), name
        if name == "index":
            assert all(i is None or i.dtype != torch.bool for i in args[1]), "boolean index"
        return func(*args, **(kwargs or {}))


def test_one_call_scores_where_the_captions_are() -> None:
    frequency = document_frequency(DOCUMENTS, VOCAB)
    tokens = pad([[1, 2, 3], [4, 4], [2]], WIDTH)[:, None].to("meta")
    found = cider_d(tokens, DOCUMENTS, frequency)
    assert found.device.type == "meta" and found.shape == (3, 1)


def test_full_width_without_looking_at_values_scores_alike() -> None:
    """The way of a GPU, neither captions nor references cropped, on the CPU."""
    scorer = CiderD(DOCUMENTS, VOCAB)
    tokens = pad([[1, 2, 3], [], [4, 4, 4, 4]], 12)[:, None]
    expected = scorer(tokens, torch.arange(3))
    scorer.crop = False
    with OnlyOnDevice():
        scores = scorer(tokens, torch.arange(3))
    torch.testing.assert_close(scores, expected)
    scorer.crop = True
    with OnlyOnDevice(), pytest.raises(AssertionError, match="scalar"):
        scorer(tokens, torch.arange(3))


def test_docstring_example() -> None:
    failed, tried = doctest.testmod(cider)
    assert tried > 0 and failed == 0
