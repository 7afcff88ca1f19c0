"""`gegcore evaluate --instances`: COCO's files, files of other kinds, and CHAIR in every report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from caption_evaluation.instances_file import read_instances
from caption_evaluation.skipped import Skips
from gegcore.cli import main
from gegcore.errors import DataError
from gegcore.metrics.objects import object_words
from gegcore.metrics.presentation import LOWER

COCO = Path(__file__).parents[3] / "shared" / "coco"
# COCO's own numbers have gaps, and do not begin at 0.
NUMBERS = {name: 2 * number + 1 for number, name in enumerate(object_words().categories)}
CHAIR = ["CHAIR-s", "CHAIR-i"]


def instances(objects: dict[Any, list[str]]) -> dict[str, Any]:
    """Image -> its objects, as COCO's file has it."""
    pairs = [(image, name) for image, names in objects.items() for name in names]
    return {
        "info": {"description": "made for this test"},
        "images": [{"id": image, "file_name": f"{image}.jpg"} for image in objects],
        "annotations": [
            {"id": n, "image_id": image, "category_id": NUMBERS[name], "iscrowd": 0}
            | {"segmentation": [[1.5, 2.5, 3.5, 4.5, 5.5, 6.5]], "bbox": [1, 2, 3, 4]}
            for n, (image, name) in enumerate(pairs)
        ],
        "categories": [{"id": n, "name": name} for name, n in NUMBERS.items()],
    }


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


OBJECTS: dict[Any, list[str]] = {1: ["dog", "dog", "person"], 2: [], 3: ["cat"], 4: ["tv"]}


def test_objects_of_the_wanted_images(tmp_path: Path) -> None:
    path = written(tmp_path / "instances.json", instances(OBJECTS))
    found = read_instances([path], [3, 1, 2])
    assert list(found.categories) == [3, 1, 2]
    assert found.categories == {3: {"cat"}, 1: {"dog", "person"}, 2: set()}
    assert re.fullmatch(r"instances\.json@[0-9a-f]{16}", found.source)


def test_ids_as_captions_write_them_and_several_files(tmp_path: Path) -> None:
    one = written(tmp_path / "one.json", instances({1: ["dog"], 2: ["cat"]}))
    other = written(tmp_path / "other.json", instances({2: ["bird"], "30": []}))
    images = ["COCO_val2014_000000000001.jpg", 2, 30]
    found = read_instances([one, other], images)
    assert list(found.categories.values()) == [{"dog"}, {"cat", "bird"}, set()]
    assert found.source.startswith("one.json@") and " and other.json@" in found.source


def test_images_that_are_not_listed(tmp_path: Path) -> None:
    path = written(tmp_path / "instances.json", instances(OBJECTS))
    with pytest.raises(DataError, match=r"images without instances \(2\): 8, 'x'") as raised:
        read_instances([path], [1, 8, "x"])
    assert "--instances takes several" in raised.value.fix and "--skip-bad" in raised.value.fix
    skips = Skips(allowed=True)
    assert list(read_instances([path], [1, 8, "x"], skips).categories) == [1]
    assert skips.found == {f"{path}: images without instances": ["8", "'x'"]}
    with pytest.raises(DataError, match="no captioned image is listed"):
        read_instances([path], [8], Skips(allowed=True))


def changed(**fields: Any) -> dict[str, Any]:
    return instances(OBJECTS) | fields


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in instances(OBJECTS).items() if name != field}


CATEGORIES = instances(OBJECTS)["categories"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"image_id": 1, "caption": "a dog"}], "holds a list at its top level, not instances"),
        (
            {"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "a dog"}]},
            "holds captions, not instances",
        ),
        ({"1": "a dog"}, 'has no list "images"'),
        (without("annotations"), 'has no list "annotations"'),
        (without("categories"), 'has no list "categories"'),
        (changed(images={}), 'has no list "images"'),
        (changed(images=[3]), "image 1 is a number, not an object"),
        (changed(images=[{"file_name": "1.jpg"}]), 'image 1 has no usable "id"'),
        (changed(annotations=[None]), "annotation 1 is null, not an object"),
        (changed(annotations=[{"category_id": 1}]), 'annotation 1 has no usable "image_id"'),
        (changed(annotations=[{"image_id": 1}]), 'annotation 1 has no usable "category_id"'),
        (
            changed(annotations=[{"image_id": 1, "category_id": 2}]),
            'annotation 1 has category_id 2, not declared in "categories"',
        ),
        (
            changed(annotations=[{"image_id": 1, "category_id": [1]}]),
            r"annotation 1 has category_id \[1\], not declared",
        ),
        (
            changed(categories=CATEGORIES[:-2]),
            ".categories. lacks 2 of COCO's 80: .hair drier., .tooth",
        ),
        (
            changed(categories=[*CATEGORIES, {"id": 0, "name": "wall"}]),
            r"has categories that are not COCO's \(1\): 'wall'",
        ),
        (changed(categories=[*CATEGORIES, CATEGORIES[0]]), "category id 1 is declared twice"),
        (changed(categories=[{"name": "dog"}]), 'category 1 has no "id" or no "name"'),
        ('{"images": [', r"is not valid JSON: .* \(line 1, column 13\)"),
        ("", "is empty"),
        ("PK\x03\x04", "is a zip archive"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: Any, said: str) -> None:
    path = written(tmp_path / "given.json", content)
    with pytest.raises(DataError, match=rf"given\.json:? {said}") as raised:
        read_instances([path], [1])
    assert raised.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_instances([tmp_path / "absent.json"], [1])


Evaluate = Callable[..., int]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Two systems of eight images; one sees dogs wherever it can."""
    monkeypatch.chdir(tmp_path)
    images = range(1, 9)
    written(Path("right.json"), {i: f"a man with {i} cats" for i in images})
    written(Path("wrong.json"), {i: f"a man with {i} dogs and a dog" for i in images})
    written(Path("refs.json"), {i: [f"{i} cats", "they sit there"] for i in images})
    written(Path("instances.json"), instances({i: ["person"] for i in images}))

    def command(*arguments: str) -> int:
        common = ["--references", "refs.json", "--no-spice", "--resamples", "200"]
        return main(["evaluate", *arguments, *common])

    return command


OPTION = ("--instances", "instances.json")


def test_one_file_in_every_report(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [part for name in ("json", "md", "html", "csv") for part in ("-o", f"report.{name}")]
    assert evaluate("wrong.json", "--compare", "right.json", *OPTION, *outputs) == 0
    text = capsys.readouterr().out
    assert re.search(r"^CHAIR-s \(lower is better\) +100\.0 +\[100\.0, 100\.0\]", text, re.M)
    assert re.search(r"^CHAIR-i \(lower is better\) +66\.7 ", text, re.M)
    stored = json.loads(Path("report.json").read_text())
    assert stored["metrics"]["CHAIR-i"]["value"] == pytest.approx(200 / 3)
    assert stored["compared_metrics"]["CHAIR-i"]["value"] == 0
    assert stored["differences"]["CHAIR-i"]["p_value"] < 0.05
    signature = stored["metrics"]["CHAIR-i"]["signature"]
    assert "CHAIR-i|objects of instances.json@" in signature and "|tok:" in signature
    assert "or in a reference" in signature and "gegcore's own words" in signature
    row = stored["per_caption"][0]
    assert (row["objects"], row["hallucinated"]) == (3, "dog, dog")
    page, table = Path("report.html").read_text(), Path("report.md").read_text()
    for name, value in zip(CHAIR, ("100.0", "66.7"), strict=True):
        assert f'<th scope="row">{name} {LOWER}</th><td>{value}<' in page
        assert f"| {name} {LOWER} | {value} |" in table
        assert stored["metrics"][name]["signature"] in table
    assert "Hallucination, by COCO" in page and "Hallucination, by COCO" in table
    scores = pd.read_csv("report.csv").set_index(["system", "metric"])["value"]
    assert scores["wrong.json", "CHAIR-s"] == 100 and scores["right.json", "CHAIR-s"] == 0


def test_of_several_systems_the_lowest_is_best(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [part for name in ("json", "md", "html", "csv") for part in ("-o", f"table.{name}")]
    assert evaluate("wrong.json", "right.json", *OPTION, *outputs) == 0
    text = capsys.readouterr().out
    assert "CHAIR-s (low)" in text and "66.7 (2)" in text
    table = pd.read_csv("table.csv").set_index(["metric", "system"])["rank"]
    for name in CHAIR:
        assert table[name].to_dict() == {"right": 1, "wrong": 2}
        assert f"{name} {LOWER}" in Path("table.md").read_text()
        assert name in Path("table.html").read_text()
    stored = json.loads(Path("table.json").read_text())
    assert stored["pairs"]["CHAIR-i"][0]["p_holm"] < 0.05


def test_without_the_option_there_is_no_chair(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("right.json") == 0
    assert "CHAIR" not in capsys.readouterr().out


def test_images_without_instances_are_left_out_if_that_is_allowed(
    evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    written(Path("instances.json"), instances({i: [] for i in range(1, 7)}))
    assert evaluate("right.json", *OPTION) == 1
    assert "images without instances (2): 7, 8" in capsys.readouterr().err
    assert evaluate("right.json", *OPTION, "--skip-bad", "-o", "report.json") == 0
    stored = json.loads(Path("report.json").read_text())
    assert {metric["n"] for metric in stored["metrics"].values()} == {6}
    assert stored["metrics"]["CHAIR-s"]["value"] == 100  # Nobody marked the man.


def test_the_option_twice_is_both_files(evaluate: Evaluate) -> None:
    for name, images in (("low", range(1, 5)), ("high", range(5, 9))):
        written(Path(f"{name}.json"), instances({i: ["dog", "person"] for i in images}))
    options = ["--instances", "low.json", "--instances", "high.json", "-o", "report.json"]
    assert evaluate("wrong.json", *options) == 0
    chair = json.loads(Path("report.json").read_text())["metrics"]["CHAIR-s"]
    assert (chair["value"], chair["n"]) == (0, 8)


def test_faults_of_the_option(evaluate: Evaluate, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("right.json", "--instances", "refs.json") == 1
    assert 'refs.json has no list "images"' in capsys.readouterr().err
    assert evaluate("right.json", *OPTION, "-o", "instances.json") == 1
    assert "would replace the instances" in capsys.readouterr().err


@pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/coco, which is not distributed")
def test_references_of_coco_against_each_other(tmp_path: Path) -> None:
    """What one person names, and the other four and no annotator: less than captioners."""
    references = json.loads((COCO / "references_karpathy_test.json").read_text())
    images = list(references)[:500]
    said = written(tmp_path / "said.json", {i: references[i][0] for i in images})
    truth = written(tmp_path / "refs.json", {i: references[i][1:] for i in images})
    nothing = written(tmp_path / "none.json", instances({int(i): [] for i in images}))
    model = [*sorted((COCO / "systems_2015_2017").glob("Dai*.json"))]
    common = ["--instances", str(nothing), "--no-spice", "--resamples", "50", "--skip-bad"]
    output = tmp_path / "table.csv"
    files = [str(said), *map(str, model)]
    command = ["evaluate", *files, "--references", str(truth), *common, "-o", str(output)]
    assert main(command) == 0
    table = pd.read_csv(output).pivot(index="metric", columns="system", values="value")
    assert 0 < table.loc["CHAIR-i", "said"] < table.loc["CHAIR-i", "Dai2017"] < 30
