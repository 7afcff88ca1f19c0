"""Scores of other tools in the table, and the files that these read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from caption_evaluation.external import check_names, read_external
from gegcore.cli import main
from gegcore.errors import DataError

IMAGES = [1, 2, "c.jpg"]
SCORES = {"1": 0.5, "2": 0.25, "c.jpg": 1.0}


def written(tmp_path: Path, content: Any, name: str) -> tuple[Path, bytes]:
    path = tmp_path / name
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path, path.read_bytes()


ROWS = [{"image_id": key, "PAC-S": value, "caption": "a dog"} for key, value in SCORES.items()]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("\n".join(map(json.dumps, ROWS)), "scores.jsonl"),
        (ROWS, "scores.json"),
        (SCORES, "PAC-S.json"),
        ({"PAC-S": 0.6, "per_item": {k: {"PAC-S": v} for k, v in SCORES.items()}}, "out.json"),
        ("id,PAC-S\n1,.5\n2,.25\nc.jpg,1\n9,7\n", "scores.csv"),
        ("file_name\tPAC-S\n1\t0.5\n2\t0.25\nc.jpg\t1\n", "scores.tsv"),
        (pd.DataFrame({"image": ["1", "2", "c.jpg"], "PAC-S": [0.5, 0.25, 1.0]}), "s.parquet"),
    ],
)
def test_layouts_of_scores(tmp_path: Path, content: Any, name: str) -> None:
    found = read_external(*written(tmp_path, content, name), IMAGES)
    assert list(found.statistics) == ["PAC-S"]
    assert found.per_caption["PAC-S"].tolist() == [0.5, 0.25, 1.0]
    assert found.statistics["PAC-S"].value() == pytest.approx(1.75 / 3)
    assert found.signature["PAC-S"].startswith(f"of {name}@")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"1": 0.5, "2": 0.2}, "lacks scores of 1 images: 'c.jpg'"),
        ({"1": 0.5, "2": "high", "c.jpg": 1}, "1 of 3 scores 'scores' are no finite numbers"),
        ({**SCORES, "2": float("nan")}, "no finite numbers"),
        ([ROWS[0] | {"PAC-S": None}, *ROWS[1:]], "1 of 3 scores 'PAC-S' are no finite numbers"),
        ([{"image_id": key, "caption": "7", "by": "me"} for key in SCORES], "has no numbers"),
        ([{"PAC-S": 1}], "has no id in row 1"),
        ([*ROWS, ROWS[0]], "stands there twice: '1'"),
        ([1, 2], "is no file of scores"),
        ([], "holds no scores"),
        ("a,b\n1,2\n", "no column of image ids in its first line"),
    ],
)
def test_faults_of_scores(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_external(*written(tmp_path, content, "scores.json"), IMAGES)


def test_the_option_twice_is_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {1: "a dog", 2: "a cat"}, "captions.json")
    for name in ("one", "two"):
        written(tmp_path, {1: 0.5, 2: 0.25}, f"{name}.json")
    files = ["captions.json", "--references", "captions.json"]
    options = [
        "--external",
        "one.json",
        "--external",
        "two.json",
        "--no-spice",
        "-o",
        "report.json",
    ]
    assert main(["evaluate", *files, *options, "--resamples", "50"]) == 0
    assert {"one", "two"} <= json.loads(Path("report.json").read_text())["metrics"].keys()


@pytest.mark.parametrize("name", ["CIDEr", "METEOR", "CHAIR-s", "length", "rank", "similarity"])
def test_names_of_ours_are_refused_before_anything_is_computed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {1: "a dog", 2: "a cat"}, "captions.json")
    written(tmp_path, f"id,{name}\n1,.5\n2,.25\n", "scores.csv")
    for work in ("read_captions", "find_pictures", "load_clip", "evaluate_captions"):
        monkeypatch.setattr(f"caption_evaluation.files.{work}", None)
    files = ["captions.json", "--references", "captions.json", "--images", "."]
    assert main(["evaluate", *files, "--external", "scores.csv"]) == 1
    said = capsys.readouterr().err
    assert f"scores.csv, column '{name}': it is called as gegcore's own" in said
    assert f"-> rename the column, to 'my {name}' for example" in said


def test_names_of_another_file_and_of_a_file_are_refused(tmp_path: Path) -> None:
    rows, plain = written(tmp_path, ROWS, "rows.json"), written(tmp_path, SCORES, "PAC-S.json")
    check_names([rows, written(tmp_path, SCORES, "polos.json")])
    with pytest.raises(DataError, match=r"PAC-S\.json, column 'PAC-S'.*column of .*rows\.json"):
        check_names([rows, plain])
    with pytest.raises(DataError, match="column 'PAC-S'"):
        check_names([plain, plain])
    with pytest.raises(DataError, match=r"CIDEr\.json, column 'CIDEr'") as caught:
        check_names([written(tmp_path, SCORES, "CIDEr.json")])
    assert "its name is the file's" in caught.value.fix
    items = {"per_item": {key: {"caption": value} for key, value in SCORES.items()}}
    with pytest.raises(DataError, match="column 'caption'"):
        check_names([written(tmp_path, items, "items.json")])


def test_they_stand_in_the_table_with_intervals_and_files_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {str(number): f"a {colour} dog" for number, colour in enumerate(["red", "blue"] * 4)}
    written(tmp_path, said, "captions.json")
    written(tmp_path, {k: [v, f"{v} runs"] for k, v in said.items()}, "refs.json")
    written(tmp_path, {key: int(key) / 10 for key in said}, "polos.json")
    command = ["evaluate", "captions.json", "--references", "refs.json", "--no-spice"]
    options = ["--external", "polos.json", "--export", "out", "-o", "report.json"]
    assert main([*command, *options, "--resamples", "200"]) == 0
    assert "polos" in capsys.readouterr().out
    found = json.loads(Path("report.json").read_text())["metrics"]["polos"]
    assert found["value"] == pytest.approx(0.35) and found["ci95"][0] < 0.35 < found["ci95"][1]
    assert "|of polos.json@" in found["signature"]
    lines = Path("out/predictions.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"id": "0", "caption": "a red dog"}
    again = ["evaluate", "out/predictions.jsonl", "--references", "out/references.jsonl"]
    assert main([*again, "--no-spice", "--resamples", "200", "-o", "again.json"]) == 0
    values = [
        json.loads(Path(x).read_text())["metrics"]["CIDEr"] for x in ("report.json", "again.json")
    ]
    assert values[0]["value"] == values[1]["value"]
    assert main([*command, *options, "--resamples", "200"]) == 0  # The same files once more.
    mine = Path("out/references.jsonl")
    mine.write_text("mine")
    capsys.readouterr()
    assert main([*command, *options]) == 1 and mine.read_text() == "mine"
    assert "--export would replace out/references.jsonl" in capsys.readouterr().err
    assert main([*command, *options, "--compare", "captions.json"]) == 1
    assert "are for one captions file" in capsys.readouterr().err
