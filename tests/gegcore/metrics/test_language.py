"""Language metrics equal pycocoevalcap's, whatever the locale and whatever is in a caption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocoevalcap
import pytest
from metric_captions import GERMAN, HYPOTHESES, REFERENCES

from gegcore.errors import DataError, ToolError
from gegcore.metrics import ptb
from gegcore.metrics.language import LanguageScores, score_language
from gegcore.metrics.meteor import Meteor, meteor_score
from gegcore.metrics.tokenized import check_captions


def _package_files() -> dict[str, int]:
    folder = Path(pycocoevalcap.__path__[0])
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def both(
    meteor: Meteor, upstream: Callable[[], dict[str, Any]]
) -> tuple[LanguageScores, dict[str, Any]]:
    """Our scores and pycocoevalcap's."""
    before = _package_files()
    ours = score_language(HYPOTHESES, REFERENCES, meteor)
    assert _package_files() == before, "something was written into the package"
    return ours, upstream()


def test_corpus_values_equal_pycocoevalcap(both: tuple[LanguageScores, dict[str, Any]]) -> None:
    ours, theirs = both
    assert ours.image_ids == tuple(HYPOTHESES)
    for n in range(1, 5):
        assert ours.corpus[f"BLEU-{n}"] == pytest.approx(theirs["BLEU"][n - 1], abs=1e-12)
    for name in ("CIDEr", "ROUGE-L", "METEOR"):
        assert ours.corpus[name] == pytest.approx(theirs[name]["corpus"], abs=1e-12), name


def test_caption_values_equal_pycocoevalcap(both: tuple[LanguageScores, dict[str, Any]]) -> None:
    ours, theirs = both
    for name, values in (("CIDEr", ours.cider), ("ROUGE-L", ours.rouge_l), ("METEOR", ours.meteor)):
        np.testing.assert_allclose(values, theirs[name]["captions"], atol=1e-12, err_msg=name)


def test_corpus_meteor_is_not_the_mean_of_captions(
    both: tuple[LanguageScores, dict[str, Any]],
) -> None:
    ours, _ = both
    assert abs(ours.corpus["METEOR"] - ours.meteor.mean()) > 0.01


def test_tokens_equal_pycocoevalcap_under_a_german_locale(
    both: tuple[LanguageScores, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GERMAN.items():
        monkeypatch.setenv(name, value)
    _, theirs = both
    tokens = ptb.tokenize(list(HYPOTHESES.values()))
    assert tokens == list(theirs["tokens"]["hypotheses"].values())
    flat = [caption for captions in REFERENCES.values() for caption in captions]
    truth = theirs["tokens"]["references"].values()
    assert ptb.tokenize(flat) == [caption for captions in truth for caption in captions]


BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\n\n"]


@pytest.fixture(scope="module")
def broken_lines(meteor: Meteor) -> LanguageScores:
    said = {i: f"a man{mark}rides a wave{mark}" for i, mark in enumerate(BREAKS)}
    truth = {i: [f"a man rides{mark}a big wave", "surfing"] for i, mark in enumerate(BREAKS)}
    said[len(BREAKS)] = "a man rides a wave"
    truth[len(BREAKS)] = ["a man rides a big wave", "surfing"]
    return score_language(said, truth, meteor)


@pytest.mark.parametrize("number", range(len(BREAKS)), ids=[repr(mark) for mark in BREAKS])
def test_a_line_break_in_a_caption_is_a_blank(broken_lines: LanguageScores, number: int) -> None:
    assert broken_lines.meteor[number] == broken_lines.meteor[-1] > 0.3
    np.testing.assert_array_equal(broken_lines.bleu_parts[number], broken_lines.bleu_parts[-1])


def test_odd_captions_keep_their_place(meteor: Meteor) -> None:
    said = {
        1: "",
        2: "!",
        3: "a ||| b ||| dog",
        4: "\ud800 dog",
        5: "\x00dog\x07",
        6: "SCORE",
        7: "EVAL ||| 1 2 3",
        8: "a dog",
        9: "word " * 60,
    }
    scores = score_language(said, {image: ["a dog", "!!"] for image in said}, meteor)
    assert scores.meteor[7] == pytest.approx(1.0)
    assert scores.rouge_l[7] == pytest.approx(1.0)
    assert (scores.meteor[:2] == 0).all() and (scores.rouge_l[:2] == 0).all()
    assert scores.meteor[2] > 0.2  # METEOR's separator is dropped, not obeyed.
    assert np.isfinite(scores.meteor).all() and (scores.meteor[5:7] == 0).all()


def test_meteor_of_sums_treats_whole_matches_as_the_jar_does(meteor: Meteor) -> None:
    parts = meteor.statistics(["a kitchen with a stove"] * 2, [["a kitchen with a stove"]] * 2)
    assert meteor_score(parts.sum(axis=0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("said", "truth", "named"),
    [
        ({}, {}, "no captions"),
        ({1: "a"}, {}, "no references: 1"),
        ({1: "a"}, {1: ["a"], 7: ["b"]}, "no caption: 7"),
        ({1: "a"}, {"1": ["a"]}, "no references: 1"),
        ({1: None}, {1: ["a"]}, "image 1 is not a string but NoneType"),
        ({1: ["a"]}, {1: ["a"]}, "not a string but list"),
        ({1: "a"}, {1: []}, "image 1 has no list of references"),
        ({1: "a"}, {1: "a dog"}, "image 1 has no list of references"),
        ({1: "a"}, {1: ["a", 3.5]}, "the reference of image 1 is not a string"),
    ],
)
def test_unusable_captions_are_named(said: Any, truth: Any, named: str) -> None:
    with pytest.raises(DataError, match=named) as raised:
        check_captions(said, truth)
    assert raised.value.fix


def test_references_without_a_word_are_an_error(meteor: Meteor) -> None:
    with pytest.raises(DataError, match="1 images hold no word: 5"):
        score_language({4: "a", 5: "a"}, {4: ["a dog"], 5: ["...", "!"]}, meteor)


def test_the_tokenizer_reports_lines_that_do_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Callable[..., str] = lambda *_, **__: "one\ntwo"  # noqa: E731
    monkeypatch.setattr(ptb, "run_java", answer)
    with pytest.raises(ToolError, match="2 lines for 3 captions"):
        ptb.tokenize(["one", "two", "three"])
