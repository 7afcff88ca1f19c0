"""Language metrics equal pycocoevalcap's, whatever the locale and whatever is in a caption."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocoevalcap
import pytest
import torch
from metric_captions import GERMAN, HYPOTHESES, REFERENCES

from gegcore.errors import DataError, ToolError
from gegcore.metrics import ptb
from gegcore.metrics.group_words import group_word_scores
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.language import language_metric
from gegcore.metrics.meteor import Meteor, meteor_score
from gegcore.metrics.scores import Scores
from gegcore.metrics.tokenized import Tokenized, check_captions

COCO = Path(__file__).parents[4] / "shared" / "coco" / "references_karpathy_test.json"


def _package_files() -> dict[str, int]:
    folder = Path(pycocoevalcap.__path__[0])
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def both(meteor: Meteor, upstream: Callable[[], dict[str, Any]]) -> tuple[Scores, dict[str, Any]]:
    """Our scores and pycocoevalcap's."""
    before = _package_files()
    ours = language_metric(MetricInputs(HYPOTHESES, REFERENCES))
    assert _package_files() == before, "something was written into the package"
    return ours, upstream()


def test_corpus_values_equal_pycocoevalcap(both: tuple[Scores, dict[str, Any]]) -> None:
    ours, theirs = both
    expected = {f"BLEU-{n + 1}": value for n, value in enumerate(theirs["BLEU"])}
    expected |= {name: theirs[name]["corpus"] for name in ("CIDEr", "ROUGE-L", "METEOR")}
    assert ours.statistics.keys() == expected.keys()
    for name, value in expected.items():
        assert ours.statistics[name].value() == pytest.approx(100 * value, abs=1e-10), name


def test_caption_values_equal_pycocoevalcap(both: tuple[Scores, dict[str, Any]]) -> None:
    ours, theirs = both
    for name, values in ours.per_caption.items():
        expected = 100 * np.array(theirs[name]["captions"])
        np.testing.assert_allclose(values, expected, atol=1e-10, err_msg=name)


def test_corpus_meteor_is_not_the_mean_of_captions(both: tuple[Scores, dict[str, Any]]) -> None:
    ours, _ = both
    assert abs(ours.statistics["METEOR"].value() - ours.per_caption["METEOR"].mean()) > 1


def test_tokens_equal_pycocoevalcap_under_a_german_locale(
    both: tuple[Scores, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
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
def broken_lines(meteor: Meteor) -> Scores:
    said = {i: f"a man{mark}rides a wave{mark}" for i, mark in enumerate(BREAKS)}
    truth = {i: [f"a man rides{mark}a big wave", "surfing"] for i, mark in enumerate(BREAKS)}
    said[len(BREAKS)] = "a man rides a wave"
    truth[len(BREAKS)] = ["a man rides a big wave", "surfing"]
    return language_metric(MetricInputs(said, truth))


@pytest.mark.parametrize("number", range(len(BREAKS)), ids=[repr(mark) for mark in BREAKS])
def test_a_line_break_in_a_caption_is_a_blank(broken_lines: Scores, number: int) -> None:
    meteor, bleu = broken_lines.per_caption["METEOR"], broken_lines.statistics["BLEU-4"].parts
    assert meteor[number] == meteor[-1] > 30
    np.testing.assert_array_equal(bleu[number], bleu[-1])


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
    scores = language_metric(MetricInputs(said, {image: ["a dog", "!!"] for image in said}))
    aligned, rouge = scores.per_caption["METEOR"], scores.per_caption["ROUGE-L"]
    assert aligned[7] == pytest.approx(100)
    assert rouge[7] == pytest.approx(100)
    assert (aligned[:2] == 0).all() and (rouge[:2] == 0).all()
    assert aligned[2] > 20  # METEOR's separator is dropped, not obeyed.
    assert np.isfinite(aligned).all() and (aligned[5:7] == 0).all()


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


SAME = ["a dog runs", "one dog"]


@pytest.mark.parametrize(
    "truth", [{1: SAME}, {1: SAME, 2: SAME[::-1]}], ids=["one image", "all references alike"]
)
def test_cider_is_missing_where_no_word_has_a_weight(
    truth: dict[int, list[str]], meteor: Meteor
) -> None:
    scores = language_metric(MetricInputs(dict.fromkeys(truth, "a dog runs"), truth))
    assert "CIDEr" not in {*scores.statistics, *scores.per_caption}
    assert "idf" in scores.missing["CIDEr"] and scores.statistics["BLEU-1"].value() > 99
    grouped = Tokenized(["a dog runs"] * 2, [SAME, SAME])
    between = group_word_scores(grouped, torch.tensor([[1], [0]]))
    assert "idf" in between.missing["CIDErBtw"] and "DisWordRate" in between.statistics
    assert Tokenized(["a"] * 2, [SAME, ["a dog runs", "one dog", "a cat"]]).unweighted is None


def test_captions_that_the_tokenizer_drops_score_0_like_empty_ones(meteor: Meteor) -> None:
    bold = "\U0001d41a \U0001d41d\U0001d428\U0001d420"
    said = {1: "", 2: bold, 3: "&mdash;", 4: f"a {bold} dog \U0001f436", 5: "a dog"}
    truth = {i: ["a dog"] if i > 3 else ["two cats"] for i in said}
    scores = language_metric(MetricInputs(said, truth))
    for name, values in scores.per_caption.items():
        assert (values[:3] == 0).all() and values[3] == values[4] > 0, name


def test_references_without_a_word_are_an_error(meteor: Meteor) -> None:
    with pytest.raises(DataError, match="1 images hold no word: 5"):
        language_metric(MetricInputs({4: "a", 5: "a"}, {4: ["a dog"], 5: ["...", "!"]}))


def test_the_tokenizer_reports_lines_that_do_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Callable[..., str] = lambda *_, **__: "one\ntwo"  # noqa: E731
    monkeypatch.setattr(ptb, "run_java", answer)
    with pytest.raises(ToolError, match="2 lines for 3 captions"):
        ptb.tokenize(["one", "two", "three"])


ALIKE = [
    "A man's dog doesn't sit; it cannot: it's there...",
    'A "STOP" sign at 5:30 p.m. on Main St.',
    "Two dogs' toys (red, blue) [and] {more}!",
    "It sits. The t-shirt costs $3.50 -- half-price",
    "A sign ‘no parking’ – it’s a “rule”…",
    "a\nman\r\nruns\u2028fast - far",
    "'walk' to the letter \"B.\" in the 1980's",
    "",
    "!",
]


def test_without_java_the_tokens_are_those_of_the_java_program() -> None:
    lines = [" ".join(caption.splitlines()) for caption in ALIKE]
    assert ptb.tokenize_without_java(lines) == ptb.tokenize(ALIKE)


@pytest.mark.skipif(not COCO.is_file(), reason="needs ../shared/coco, which is not distributed")
def test_both_tokenizers_differ_as_rarely_as_the_docstring_says() -> None:
    captions = [
        caption for five in json.loads(COCO.read_text("utf-8")).values() for caption in five
    ]
    with_java = ptb.tokenize(captions)
    without = ptb.tokenize_without_java([" ".join(caption.splitlines()) for caption in captions])
    differ = sum(one != other for one, other in zip(with_java, without, strict=True))
    assert f"{differ} of the {len(captions):,} references" in (ptb.tokenize.__doc__ or "")
