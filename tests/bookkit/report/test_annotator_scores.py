"""Annotators by the metrics: each of an image's captions once, against all others of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bookkit.report import annotators
from gegcore.errors import DataError
from gegcore.storage import read_json


def materials(*captions: tuple[str, ...]) -> Any:
    records = [SimpleNamespace(image_id=i, captions=texts) for i, texts in enumerate(captions)]
    return SimpleNamespace(
        data={"test": SimpleNamespace(records=records)},
        judges=lambda split: {},
        profile=SimpleNamespace(name="some"),
    )


def test_each_is_scored_against_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def score(_: Any, judges: Any, captions: dict, references: dict) -> Any:
        asked.append((captions, references))
        value = float(captions[0])
        row = {"value": value, "ci95": [value - 1, value + 3], "n": 2}
        return SimpleNamespace(metrics={"CIDEr": row, "R@1": {**row, "value": 7.0}})

    monkeypatch.setattr(annotators, "score_captions", score)
    found = annotators.annotator_scores(materials(("1", "2", "6"), ("a", "b", "c", "d")))
    assert asked == [
        ({0: "1", 1: "a"}, {0: ["2", "6"], 1: ["b", "c", "d"]}),
        ({0: "2", 1: "b"}, {0: ["1", "6"], 1: ["a", "c", "d"]}),
        ({0: "6", 1: "c"}, {0: ["1", "2"], 1: ["a", "b", "d"]}),
    ]
    assert found["CIDEr"] == {"value": 3.0, "ci95": [2.0, 6.0], "n": 2}
    assert found["R@1"] == {"value": 7.0, "ci95": [2.0, 6.0], "n": 2}


def test_one_caption_has_none_to_agree_with() -> None:
    with pytest.raises(DataError, match="one caption"):
        annotators.annotator_scores(materials(("a",), ("b", "c")))


def test_what_is_stored_has_numbers_and_no_caption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"CIDEr": {"value": 3.0, "ci95": [2.0, 6.0], "n": 2}}
    monkeypatch.setattr(annotators, "annotator_scores", lambda _: scores)
    assert annotators.main(["--profile", "smoke", "--to", str(tmp_path)]) == 0
    assert read_json(tmp_path / "smoke" / "annotators.json")["metrics"] == scores
    monkeypatch.setattr(annotators, "STORED", tmp_path)
    profile: Any = SimpleNamespace(name="smoke")
    assert annotators.annotators(profile) == scores
    assert annotators.annotators(SimpleNamespace(name="none")) == {}  # type: ignore[arg-type]
