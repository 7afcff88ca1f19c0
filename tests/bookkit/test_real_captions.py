"""Scores of published captioners: numbers are stored, and nothing that anybody wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bookkit.real_captions import NAME, main
from bookkit.report.published import BRAINHUB
from bookkit.report.stored import STORED
from gegcore.storage import read_json

IMAGES = range(1, 9)
SYSTEMS, BRAINHUB_FILES = "systems_2015_2017", "brainhub"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Captions of our own, laid out as those of others are."""
    colours = ["red", "blue", "black", "white"]

    def said(number: int, of: int) -> str:
        return f"a zebra is {colours[(number + of) % 4]}"

    references = {str(i): [said(i, k) for k in (0, 0, 1)] for i in IMAGES}
    files = {
        "references_karpathy_test.json": references,
        "similar_sets_k5.json": {
            str(i): [1 + (i - 1 + k) % len(IMAGES) for k in (1, 2, 3)] for i in IMAGES
        },
        f"{BRAINHUB_FILES}/references.json": references,
    }
    for place in (SYSTEMS, BRAINHUB_FILES):
        for k, name in enumerate(("One2016", "Two2017")):
            captions = [{"image_id": i, "caption": said(i, k)} for i in IMAGES]
            files[f"{place}/{name}.json"] = captions
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def test_numbers_of_both_sets_are_stored_and_no_caption(folder: Path) -> None:
    target = folder / "stored"
    assert main([str(folder), "--no-spice", "--to", str(target)]) == 0
    for name in (SYSTEMS, BRAINHUB_FILES):
        scores = pd.read_csv(target / f"{name}.csv")
        assert set(scores["system"]) == {"One2016", "Two2017"}
        assert {"CIDEr", "CIDErBtw", "DisWordRate"} <= set(scores["metric"])
        cider = scores.query("metric == 'CIDEr'").set_index("system")["value"]
        assert cider["One2016"] > cider["Two2017"]
        pairs = pd.read_csv(target / f"{name}-pairs.csv").set_index("metric")
        gap = cider["One2016"] - cider["Two2017"]
        assert pairs.loc["CIDEr", "difference"] == pytest.approx(gap, rel=1e-4)
    about = read_json(target / "provenance.json")
    assert "of similar_sets_k5.json@" in about[SYSTEMS]["signature"]["word_groups"]
    assert len(about[BRAINHUB_FILES]["files"]["references"]["sha256"]) == 64
    assert not any("zebra" in path.read_text() for path in target.iterdir())


def test_a_folder_without_captions_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--to", str(tmp_path / "stored")]) == 1
    assert "captions files" in capsys.readouterr().err and not (tmp_path / "stored").exists()


def test_what_is_stored_holds_numbers_alone() -> None:
    """Captions of others are not ours to pass on."""
    for path in (STORED / NAME).glob("*.csv"):
        table = pd.read_csv(path)
        words = table.select_dtypes(exclude="number").stack()
        assert words.str.split().str.len().max() <= 2, path  # "bad endings"


def test_the_scores_of_brainhub_are_the_published_ones() -> None:
    """All of them, but for one system of which it is not certain what was scored."""
    ours = pd.read_csv(STORED / NAME / f"{BRAINHUB_FILES}.csv")
    ours = ours.pivot(index="system", columns="metric", values="value")
    difference = ours.loc[BRAINHUB.index, BRAINHUB.columns] - BRAINHUB
    assert difference.abs().max(axis=None) < 0.0151
