"""n-grams as integers, and the table that finds them."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gegcore.rewards.ngrams import (
    _HASH_BASE,
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


@pytest.mark.parametrize("vocab_size", [7, EXACT_VOCABULARY, EXACT_VOCABULARY + 1, 2**16])
def test_keys_in_whole_numbers(vocab_size: int) -> None:
    """Up to the limit the n-gram itself to base `vocab_size`, above it a hash.

    To base 2^16 the leading 1 of a 4-gram would be lost, and (1, 5, 6, 3) be (5, 6, 3).
    """
    words, base = [1, 5, 6, 3], vocab_size if vocab_size <= EXACT_VOCABULARY else _HASH_BASE
    keys = ngram_keys(torch.tensor(words), torch.tensor([4, 3, 2, 1]), vocab_size)
    for n, row in enumerate(keys.tolist(), 1):
        for start in range(ORDERS - n + 1):
            value = 1
            for word in words[start : start + n]:
                value = value * base + word
            assert row[start] % 2**64 == value * _SPREAD % 2**64
        assert row[ORDERS - n + 1 :] == [PADDING] * (n - 1)
    assert len(set(keys.flatten().tolist())) == 4 + 3 + 2 + 1 + 1


@pytest.mark.parametrize("count", [0, 1, 3, 100])
def test_a_table_is_as_large_as_it_says(count: int) -> None:
    """Four entries of the directory for each key, at most, in four bytes each."""
    table = NgramTable.build((torch.arange(count) * _SPREAD).sort().values)
    assert len(table.keys) == count + 2**table.steps
    assert table.keys[count:].eq(PADDING).all()
    assert len(table.directory) == 2 ** max(1, (2 * count).bit_length()) <= max(2, 4 * count)
    assert table.directory.dtype == torch.int32


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
