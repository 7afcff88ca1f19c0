"""n-grams as integers, and the table that finds them."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gegcore.rewards.ngrams import (
    _SPREAD,
    EXACT_VOCABULARY,
    ORDERS,
    PADDING,
    NgramTable,
    caption_lengths,
    ngram_keys,
)


@pytest.mark.parametrize("count_end", [True, False])
def test_lengths(count_end: bool) -> None:
    tokens = torch.tensor([[3, 1, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4], [1, 0, 5, 0]])
    expected = [3, 1, 4, 2] if count_end else [2, 0, 4, 1]
    assert caption_lengths(tokens, count_end).tolist() == expected


@pytest.mark.parametrize("vocab_size", [3, EXACT_VOCABULARY + 1])
def test_every_ngram_has_its_own_key(vocab_size: int) -> None:
    """Of all n-grams of three ids, the end token among them."""
    tokens = torch.tensor(list(itertools.product(range(3), repeat=ORDERS)))
    remaining = ORDERS - torch.arange(ORDERS).expand_as(tokens)
    keys = ngram_keys(tokens, remaining, vocab_size)
    assert len(keys[:, :, 0].unique()) == 3 + 3**2 + 3**3 + 3**4
    assert ((keys == PADDING).sum((1, 2)) == 1 + 2 + 3).all()


def test_largest_exact_vocabulary_has_its_limit_from_63_bits() -> None:
    assert 2 * EXACT_VOCABULARY**ORDERS < 2**63 <= 2 * (EXACT_VOCABULARY + 1) ** ORDERS


def test_no_ngram_has_the_key_of_padding() -> None:
    """What the multiplication takes to `PADDING` is above 63 bits."""
    assert _SPREAD % 2 == 1
    assert PADDING * pow(_SPREAD, -1, 2**64) % 2**64 >= 2**63


key = st.integers(-(2**63), PADDING - 1)


@settings(deadline=None, max_examples=100)
@given(st.lists(key, unique=True, max_size=40), st.lists(key, max_size=20), st.booleans())
def test_table_finds_what_it_has(have: list[int], others: list[int], crowded: bool) -> None:
    """Keys alike in their leading bits too: then the directory does not tell them apart."""
    if crowded:
        have = sorted({k % 1000 for k in have})
    keys = torch.tensor(sorted(have), dtype=torch.long)
    table = NgramTable.build(keys)
    queries = torch.tensor([*have, *others, PADDING], dtype=torch.long)
    at, found = table.find(queries[None])
    assert found[0].tolist() == [k in {*have, PADDING} for k in queries.tolist()]
    assert at[0, -1] == len(have)
    assert (table.keys[at] == queries)[found].all()
