"""Files of answers: what counts, what is refused and why; what they say by hand-made examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from two_captioners import PLAIN, RICH

from bookkit.study.answers import (
    SAME,
    Answers,
    collected,
    preferences,
    rankings,
    read_answers,
)
from bookkit.study.design import Study
from gegcore.storage import write_json


def content(answers: Answers | Study) -> dict[str, Any]:
    return answers.model_dump(mode="json")


def test_whole_and_partial_files_count(
    listeners: list[Answers], study: Study, tmp_path: Path
) -> None:
    for number, each in enumerate(listeners):
        write_json(tmp_path / f"{number}.json", content(each))
    part = content(listeners[0]) | {"comparison": [], "participant": "f" * 12}
    write_json(tmp_path / "part.json", part)
    found = read_answers(tmp_path, study)
    assert found.refused == {} and len(found.answers) == len(listeners) + 1
    assert len(rankings(found.answers, study)) == 4 * (len(listeners) + 1)
    assert len(preferences(found.answers, study)) == 2 * 4 * len(listeners)


def test_a_folder_without_a_key_has_no_study_and_one_without_answers_none(
    listeners: list[Answers], study: Study, tmp_path: Path
) -> None:
    assert collected(tmp_path) is None
    write_json(tmp_path / "key.json", content(study))
    none = collected(tmp_path)
    assert none and none.study == study and none.said == "Files: 0; 0 participants, 0 answers."
    write_json(tmp_path / "answers" / "a.json", content(listeners[0]))
    write_json(tmp_path / "answers" / "b.json", {})
    found = collected(tmp_path)
    assert found and found.answers == listeners[:1]
    assert found.said.startswith("Files: 2; 1 participants, 8 answers. Not counted: b.json: no")


def test_of_a_participant_the_file_with_more_answers_counts(
    listeners: list[Answers], study: Study, tmp_path: Path
) -> None:
    whole = content(listeners[0])
    early = whole | {"retrieval": whole["retrieval"][:2], "comparison": []}
    for name, what in {"a": early, "b": whole, "c": early, "d": whole}.items():
        write_json(tmp_path / f"{name}.json", what)
    found = read_answers(tmp_path, study)
    assert found.answers == [listeners[0]]
    assert {*found.refused} == {"a.json", "c.json", "d.json"}
    assert all("the same participant as b.json" in why for why in found.refused.values())


def _first(changed: dict[str, Any]) -> dict[str, Any]:
    return changed["retrieval"][0]  # type: ignore[no-any-return]


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another study": (lambda x: x.update(study="0" * 16), "answers of another study"),
    "another version": (lambda x: x.update(version=2), "version"),
    "a field more": (lambda x: x.update(name="Jo"), "name: Extra"),
    "a field less": (lambda x: x.pop("form"), "form: Field required"),
    "no such form": (lambda x: x.update(form=99), "there is no form 99"),
    "another form": (lambda x: x.update(form=1), "trials twice, or of another form"),
    "a name": (lambda x: x.update(participant="<script>"), "participant"),
    "a trial twice": (lambda x: x["retrieval"].append(_first(x)), "trials twice"),
    "nine picks": (lambda x: _first(x)["ranking"].pop(), "not 10 different pictures"),
    "one pick twice": (
        lambda x: _first(x).update(ranking=[_first(x)["ranking"][0]] * 10),
        "not 10 different pictures",
    ),
    "foreign picture": (lambda x: _first(x)["ranking"].__setitem__(3, "q"), "not 10 different"),
    "others shown": (lambda x: _first(x)["shown"].pop(), "of those shown"),
    "foreign caption": (lambda x: x["comparison"][0].update(accuracy="q"), "other captions"),
    "time runs back": (lambda x: _first(x).update(seconds=-1), "seconds"),
    "time is a word": (lambda x: _first(x).update(seconds="3"), "seconds"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_page_cannot_have_made_is_refused_by_name(
    name: str, listeners: list[Answers], study: Study, tmp_path: Path
) -> None:
    change, why = BROKEN[name]
    changed = json.loads(json.dumps(content(listeners[0])))
    change(changed)
    write_json(tmp_path / "odd.json", changed)
    write_json(tmp_path / "good.json", content(listeners[1]))
    found = read_answers(tmp_path, study)
    assert found.answers == [listeners[1]]
    assert {*found.refused} == {"odd.json"} and why in found.refused["odd.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"a": NaN}', "\ud800"])
def test_no_answers_at_all(text: str, study: Study, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    found = read_answers(tmp_path, study)
    assert found.answers == [] and {*found.refused} == {"bad.json"}
    assert str(tmp_path) not in found.refused["bad.json"]


def test_recalls_by_hand(listeners: list[Answers], study: Study) -> None:
    answers = content(listeners[0])
    for place, ranking in zip((0, 4, 9, None), answers["retrieval"], strict=True):
        target = study.retrieval[ranking["trial"]].target
        others = [name for name in ranking["shown"] if name != target]
        ranking["ranking"] = others[:10] if place is None else others[:9]
        if place is not None:
            ranking["ranking"].insert(place, target)
    table = rankings([Answers.model_validate(answers)], study)
    assert table["R@1"].tolist() == [100, 0, 0, 0]
    assert table["R@5"].tolist() == [100, 100, 0, 0]
    assert table["R@10"].tolist() == [100, 100, 100, 0]
    systems = [study.retrieval[name].caption.system for name in table["trial"]]
    assert table["system"].tolist() == systems


def test_outcomes_by_hand(listeners: list[Answers], study: Study) -> None:
    """A win is one of the system over the baseline, on whichever side it stood."""
    answers = content(listeners[0])
    for wanted, pair in zip((RICH, PLAIN, SAME, RICH), answers["comparison"], strict=True):
        trial = study.comparison[pair["trial"]].captions
        named = {caption.system: name for name, caption in trial.items()} | {SAME: SAME}
        pair |= {"accuracy": named[wanted], "distinctiveness": SAME}
    table = preferences([Answers.model_validate(answers)], study)
    by = table.set_index("criterion")["outcome"]
    assert by["accuracy"].tolist() == [1, -1, 0, 1]
    assert by["distinctiveness"].tolist() == [0, 0, 0, 0]
    assert {*table["system"]} == {RICH}


def test_nothing_answered_is_a_table_without_rows(study: Study) -> None:
    assert rankings([], study).empty and preferences([], study).empty
