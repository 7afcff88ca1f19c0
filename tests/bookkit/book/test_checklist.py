"""The checklist: each answer is one of four, points to evidence, and is still true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookkit.report.rival_choices import CHOICES
from bookkit.report.sweeps import read_sweeps
from gegcore.profiles import load_profile

RIVALS = load_profile("rivals")
ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "book" / "checklist.md").read_text(encoding="utf-8")
ITEMS = re.findall(r"^- (.+(?:\n  .+)*)", TEXT, re.M)
ANSWERS = ("Met", "In part", "Not met", "Not applicable")


def source(target: str) -> Path:
    """The file behind a link of the page; executed notebooks lie in `notebooks/`."""
    if target.startswith("generated/"):
        return ROOT / "notebooks" / target.removeprefix("generated/")
    return ROOT / "book" / target


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: re.findall(r"\*([^*]+)\?", item)[0][:40])
def test_an_answer_has_its_evidence(item: str) -> None:
    found = re.match(r"\*\*(.+?)\.\*\* \*[^*]+\?\*\s\S", item)
    assert found and found[1] in ANSWERS
    pages = re.findall(r"\]\(([^)]+)\)", item)
    files = re.findall(r"`([^`]+)`", item)
    assert pages or files
    for path in [*map(source, pages), *(ROOT / name for name in files)]:
        assert path.exists(), path


def test_everything_is_an_item_and_the_page_says_what_is_missing() -> None:
    assert len(ITEMS) == len(re.findall("^- ", TEXT, re.M)) > 25
    for answer in ANSWERS:
        assert f"**{answer}.**" in TEXT


def answer_to(question: str) -> str:
    (item,) = (item for item in ITEMS if question in re.sub(r"\s+", " ", item))
    return re.findall(r"\*\*(.+?)\.\*\*", item)[0]


def test_what_is_not_met_is_really_missing() -> None:
    runs = any((ROOT / "results" / "coco").glob("*/metrics.json"))
    assert (answer_to("on its own data?") == "Not met") == (not runs), "runs on COCO are stored"
    released = "Nothing has been released yet" not in (ROOT / "CHANGELOG.md").read_text()
    cited = "\ndoi:" in (ROOT / "CITATION.cff").read_text()
    assert (answer_to("with a DOI?") == "Not met") == (not released and not cited)
    weights = any((ROOT / "results").rglob("*.safetensors"))
    assert (answer_to("trained weights?") == "In part") == (not weights)


def test_sweeps_that_are_missing_are_said_to_be_and_no_others() -> None:
    names = {path.name for path in (ROOT / "results" / "sweeps").glob("*.json")}
    facts = any("sampled_facts" in name for name in names)
    text = re.sub(r"\s+", " ", TEXT)
    rivals = None not in [choice.says(read_sweeps(RIVALS)) for choice in CHOICES]
    missing = ["of MLE's epochs"] * (not facts) + ["of the rivals"] * (not rivals)
    assert ("some sweeps are not stored yet" in text) == bool(missing)
    assert (f"the sweeps {' and '.join(missing)} are not stored yet" in text) == bool(missing)
    assert text.count("not stored yet") == 2 * bool(missing)
