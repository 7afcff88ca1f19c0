"""Several systems in one table: ranks, corrected tests, and a page that can be searched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from caption_evaluation.systems import holm
from gegcore.cli import main

COCO = Path(__file__).parents[3] / "shared" / "coco"
SAID = {
    "good": "a {colour} dog runs on the grass",
    "short": "a {colour} dog",
    "dull": "a dog runs",
    "odd": "the thing & </script> is there",
}
COLOURS = ["red", "blue", "green", "black", "white", "brown"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four systems of 24 images; the names of some of them, and their texts, are HTML."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "systems").mkdir()
    colours = {str(number): COLOURS[number % 6] for number in range(24)}
    references = {
        image: [f"a {colour} dog runs on grass", f"one {colour} dog on the green grass {image}"]
        for image, colour in colours.items()
    }
    (tmp_path / "refs.json").write_text(json.dumps(references))
    for number, text in enumerate(SAID.values()):
        said = {image: text.format(colour=colour) for image, colour in colours.items()}
        name = ["good", "short", "dull", "odd &lt"][number]
        (tmp_path / "systems" / f"{name}.json").write_text(json.dumps(said))
    (tmp_path / "systems" / "notes.txt").write_text("no captions")
    return tmp_path


def evaluate(*more: str, captions: tuple[str, ...] = ("systems",)) -> int:
    common = ["--references", "refs.json", "--no-spice", "--resamples", "500"]
    return main(["evaluate", *captions, *common, *more])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.04]) == [0.04]


def test_one_table_of_a_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("-o", "table.csv", "-o", "table.json", "-o", "table.md") == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["CIDEr", "BLEU-4"]
    assert [row.split()[0] for row in rows[:4]] == ["good", "short", "dull", "odd"]
    scores = pd.read_csv("table.csv")
    cider = scores[scores["metric"] == "CIDEr"].set_index("system")
    assert cider["rank"].to_dict() == {"good": 1, "short": 2, "dull": 3, "odd &lt": 3}
    assert (cider["low"] <= cider["value"]).all() and (cider["value"] <= cider["high"]).all()
    lower = scores[scores["metric"] == "repetition"].set_index("system")
    assert lower.loc[lower["value"] == lower["value"].min(), "rank"].unique().tolist() == [1]
    stored = json.loads(Path("table.json").read_text())
    pairs = stored["pairs"]["CIDEr"]
    assert len(pairs) == 6 and all(p["p_holm"] >= p["p_value"] for p in pairs)
    (best,) = (p for p in pairs if {p["first"], p["second"]} == {"good", "dull"})
    assert best["p_holm"] < 0.05
    assert "| good |" in Path("table.md").read_text()


def test_alone_each_has_the_same_scores(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("-o", "table.json") == 0
    together = json.loads(Path("table.json").read_text())["systems"]["short"]["metrics"]
    assert evaluate("-o", "one.json", "-o", "one.csv", captions=("systems/short.json",)) == 0
    alone = json.loads(Path("one.json").read_text())["metrics"]
    assert {n: m["value"] for n, m in alone.items()} == {n: m["value"] for n, m in together.items()}
    assert pd.read_csv("one.csv").set_index("metric")["value"].to_dict() == {
        n: pytest.approx(m["value"]) for n, m in alone.items()
    }


def test_systems_that_chance_explains_are_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("systems/good.json", "systems/copy.json")
    assert evaluate() == 0
    said = capsys.readouterr().out
    assert "Not told apart by CIDEr: copy and good, dull and odd &lt." in said
    assert evaluate("--resamples", "100") == 0
    assert "To test 10 pairs takes at least 200 resamples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("captions", "more", "said"),
    [
        (("empty",), (), "empty: no captions files"),
        (("systems",), ("--compare", "refs.json"), "--compare is for one captions file"),
        (("systems",), ("-o", "systems/good.json"), "exists and is no report"),
    ],
)
def test_faults_are_named(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    captions: tuple[str, ...],
    more: tuple[str, ...],
    said: str,
) -> None:
    (home / "empty").mkdir()
    before = Path("systems/good.json").read_bytes()
    assert evaluate(*more, captions=captions) == 1
    assert said in capsys.readouterr().err
    assert Path("systems/good.json").read_bytes() == before


@pytest.mark.browser
@pytest.mark.parametrize("width", [1300, 390])
def test_the_page_searches_sorts_and_loads_nothing(browser: Any, home: Path, width: int) -> None:
    assert evaluate("-o", "table.html") == 0
    page = browser.new_page(viewport={"width": width, "height": 800})
    problems, asked = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((home / "table.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.inner_text("#count") == "24 images"
    page.fill("#words", "brown")
    assert page.inner_text("#count") == "4 images"
    assert page.locator("#cards .card").count() == 4
    assert "the thing & </script> is there" in page.inner_text("#cards")
    first = page.locator("#scores tbody tr th").first
    assert first.inner_text() == "good"
    page.get_by_role("button", name="length").click()
    assert first.inner_text() in ("good", "odd &lt")
    page.get_by_role("button", name="length").click()
    assert first.inner_text() in ("short", "dull")
    names = page.locator("svg text").all_text_contents()
    assert {"good", "short", "dull", "odd &lt"} <= {*names}
    assert problems == [] and len(asked) == 1
    page.close()


@pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/coco, which is not distributed")
def test_published_scores_of_brain_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """BrainHub prints CIDEr 41.30 and 13.83, METEOR 16.68 and 10.03 of these two."""
    monkeypatch.chdir(COCO / "brainhub")
    files = ["braincap_s1.json", "sdrecon_s1.json", "--references", "references.json"]
    output = str(tmp_path / "table.csv")
    assert main(["evaluate", *files, "--no-spice", "--resamples", "100", "-o", output]) == 0
    scores = pd.read_csv(output).pivot(index="system", columns="metric", values="value")
    assert scores["CIDEr"].round(2).to_dict() == {"braincap_s1": 41.30, "sdrecon_s1": 13.83}
    assert scores["METEOR"].round(2).to_dict() == {"braincap_s1": 16.68, "sdrecon_s1": 10.03}
