"""Words to ids and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gegcore.data.vocabulary import Vocabulary, tokenize
from gegcore.errors import DataError

WORDS = ["dog", "cat", "red", "a"]


def test_ids_follow_xmodaler() -> None:
    vocabulary = Vocabulary(WORDS)
    assert vocabulary.encode("A red DOG, a bird.") == [4, 3, 1, 4, 5]
    assert (len(vocabulary), vocabulary.unknown_id, vocabulary.end_id) == (6, 5, 0)
    assert vocabulary.decode([4, 3, 1, 0, 2]) == "a red dog"


@given(st.lists(st.sampled_from(WORDS)))
def test_round_trip(words: list[str]) -> None:
    vocabulary = Vocabulary(WORDS)
    assert vocabulary.decode(vocabulary.encode(" ".join(words))) == " ".join(words)


def test_build_keeps_frequent_words_first() -> None:
    vocabulary = Vocabulary.build(["a dog", "a dog runs", "a cat"], min_count=2)
    assert vocabulary.words == ("a", "dog", "UNK")


def test_nothing_frequent_is_an_error() -> None:
    with pytest.raises(DataError, match="5 times"):
        Vocabulary.build(["a dog"], min_count=5)


def test_stored_vocabulary(tmp_path: Path) -> None:
    vocabulary = Vocabulary(WORDS)
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json").words == vocabulary.words
    (tmp_path / "v.json").write_text("[]")
    with pytest.raises(DataError, match="no vocabulary"):
        Vocabulary.load(tmp_path / "v.json")


def test_tokens_are_lower_case_words() -> None:
    assert tokenize("A man's T-shirt; 2 dogs!") == ["a", "man's", "t-shirt", "2", "dogs"]
