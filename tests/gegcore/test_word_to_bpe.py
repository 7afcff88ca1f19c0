"""Word ids to CLIP's BPE ids: equal to open_clip's tokenizer on the detokenised captions."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import WordToBpe, load_clip
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError

TOKENIZER = open_clip.SimpleTokenizer(context_length=16)
WORDS = Vocabulary(
    [
        "a",
        "dog",
        "dogs",
        "man's",
        "t-shirt",
        "unbelievably",
        "surfboard",
        "3",
        "it's",
        "ox",
        "xylo9",
    ]
)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.integers(0, len(WORDS) - 1), min_size=1, max_size=14), min_size=1, max_size=5
    )
)
def test_words_become_the_bpe_of_the_detokenised_string(rows: list[list[int]]) -> None:
    tokenizer, lookup = TOKENIZER, WordToBpe(WORDS.words, TOKENIZER)
    width = max(map(len, rows))
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    found = lookup(tokens)
    expected = tokenizer([WORDS.decode(row) for row in rows])
    assert torch.equal(found, expected[:, : found.shape[1]])
    assert not expected[:, found.shape[1] :].any()
    assert torch.equal(lookup(tokens, length=16), expected)


def test_every_word_of_the_vocabulary_alone() -> None:
    tokenizer, lookup = TOKENIZER, WordToBpe(WORDS.words, TOKENIZER)
    tokens = torch.arange(1, len(WORDS))[:, None]
    expected = tokenizer([WORDS.decode([i]) for i in range(1, len(WORDS))])
    found = lookup(tokens)
    assert torch.equal(found, expected[:, : found.shape[1]])


def test_a_fixed_length_truncates_but_keeps_the_end() -> None:
    tokenizer = TOKENIZER
    found = WordToBpe(WORDS.words, tokenizer)(torch.tensor([[1, 2, 3, 4, 5], [1, 0, 3, 0, 0]]), 5)
    assert found.shape == (2, 5)
    assert found[0].tolist() == tokenizer(["a dog dogs"], context_length=5)[0].tolist()
    assert found[1].tolist() == tokenizer(["a"], context_length=5)[0].tolist()


def test_a_tokenizer_that_is_no_word_bpe_is_refused() -> None:
    with pytest.raises(ConfigError, match="per-word BPE"):
        WordToBpe(WORDS.words, object())


WORD = st.from_regex(r"[a-z0-9]{1,9}(?:['-][a-z0-9]{1,4})?", fullmatch=True)


@settings(deadline=None, max_examples=50)
@given(st.data(), st.lists(WORD, min_size=1, max_size=8, unique=True), st.integers(3, 20))
def test_any_vocabulary_and_context_and_no_caption_exceeds_the_bound(
    data: st.DataObject, words: list[str], context: int
) -> None:
    lookup = WordToBpe(words, TOKENIZER)
    lookup.context_length = context
    width = data.draw(st.integers(1, 6))
    ids = st.lists(st.integers(0, len(words)), min_size=width, max_size=width)
    tokens = torch.tensor(data.draw(st.lists(ids, min_size=1, max_size=4)))
    texts = [Vocabulary(words).decode(row) for row in tokens.tolist()]
    expected = TOKENIZER(texts, context_length=context)
    bound = lookup.longest(width)
    assert torch.equal(lookup(tokens, bound), expected[:, :bound])
    assert not expected[:, bound:].any()
    assert lookup(tokens).shape[1] <= bound <= context


@pytest.mark.parametrize("name", ["CLIP", "scenes-clip"])
def test_the_whole_vocabulary_of_the_world_and_its_captions(name: str) -> None:
    tokenizer: Any = load_clip(name).tokenizer if name == "scenes-clip" else TOKENIZER
    captions = [c for record in ScenesDataset("val", 100).records for c in record.captions]
    vocabulary = Vocabulary.build(captions, min_count=1)
    lookup = WordToBpe(vocabulary.words, tokenizer)
    single = lookup(torch.arange(len(vocabulary))[:, None])
    expected = tokenizer(["", *vocabulary.words])
    assert torch.equal(single, expected[:, : single.shape[1]])
    rows = [torch.tensor(vocabulary.encode(caption)) for caption in captions]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    texts = [vocabulary.decode(row) for row in tokens.tolist()]
    assert torch.equal(lookup(tokens, tokenizer.context_length), tokenizer(texts))
