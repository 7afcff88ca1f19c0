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
    assert (len(vocabulary), vocabulary.forbidden, vocabulary.end_id) == (6, (5,), 0)
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
    assert tokenize("Crème brûlée, cre\u0300me; ночь_日本") == [
        "crème",
        "brûlée",
        "crème",
        "ночь",
        "日本",
    ]


def test_vocabulary_files_of_xmodaler(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_bytes("a\r\ncafé\r\n\r\n".encode())
    assert Vocabulary.read(path).words == ("a", "café")
    for content in (b"", b"\n\n", b"caf\xe9\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="vocabulary.txt"):
            Vocabulary.read(path)
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.read(tmp_path / "nowhere.txt")


def test_unk_is_where_a_file_has_it_or_nowhere(tmp_path: Path) -> None:
    """Then unknown words are left out, and no id is forbidden; V is that of the checkpoint."""
    path = tmp_path / "vocabulary.txt"
    path.write_text("a\nUNK\ndog\n")
    words = Vocabulary.read(path)
    assert words.encode("a red dog") == [1, 2, 3] and words.forbidden == (2,) and len(words) == 4
    path.write_text("a\ndog\n")
    words = Vocabulary.read(path)
    assert words.encode("a red dog") == [1, 2] and words.forbidden == () and len(words) == 3
    words.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json").words == ("a", "dog")
