"""What the caption explorer reads: captions, facts, numbers, pictures, stops; how much it is."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_runs import write_records
from PIL import Image
from spoken_runs import ENDINGS, ODD, captions, speak, values

from bookkit.play import explorer, pictures
from bookkit.play.explorer import INDEX, PICTURES, packed, write_explorer
from bookkit.play.pictures import COLUMNS, Pictures, side_within, write_sheets
from bookkit.play.said import facts_in, said_by, stages_of
from bookkit.play.weights import all_series, commands
from bookkit.report.results import Runs
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.painter import paint
from emoji_scenes.truth import count_truth
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
from gegcore.runs import RunFolder


def unpacked(path: Path) -> Any:
    """What a part hands over."""
    (data,) = re.findall(r'^gegData\.take\("[\w.-]+", "([\w+/=]+)"\);\n$', path.read_text())
    return json.loads(gzip.decompress(base64.b64decode(data)))


@pytest.fixture
def world(materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScenesDataset:
    """The prepared smoke world in a project folder without runs."""
    (tmp_path / "artifacts").symlink_to(materials.folder.parent)
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    data = materials.data["test"]
    assert isinstance(data, ScenesDataset)
    return data


@pytest.fixture
def profile(world: ScenesDataset) -> Profile:
    return load_profile("smoke")


def changed(profile: Profile, k: int | None = None, **fields: Any) -> Profile:
    return profile.changed("transformer", "scst_geg", k, **fields)


def every_stage(profile: Profile, world: ScenesDataset) -> None:
    for objective in ENDINGS:
        speak(profile, world, objective)


def test_a_part_holds_what_was_said_and_how_it_was_scored(
    profile: Profile, world: ScenesDataset
) -> None:
    every_stage(profile, world)
    stages = stages_of(Runs.of(profile))
    assert [stage.name for stage in stages] == list(ENDINGS)
    found = said_by(stages, Pictures([r.image_id for r in world.records], world))
    for run, objective in zip(found["runs"], ENDINGS, strict=True):
        assert [found["captions"][n] for n in run["said"]] == [*captions(world, objective).values()]
        table = values(world, objective)
        assert run["rank"] == (table["rank"] + 1).tolist()
        assert run["average"] == (10_000 * table["GEG-Avg"]).round().astype(int).tolist()
        assert run["minimum"] == (10_000 * table["GEG-Min"]).round().astype(int).tolist()
    assert len(found["captions"]) == len(set(found["captions"])) == len(found["facts"])
    json.dumps(found, allow_nan=False)


def test_pictures_without_caption_or_value_are_left_open(
    profile: Profile, world: ScenesDataset
) -> None:
    run = speak(profile, world, "mle")
    (stage,) = stages_of(Runs.of(profile))
    ids = [r.image_id for r in world.records]
    found = said_by([stage], Pictures([7, *ids]))["runs"][0]
    assert found["said"][0] == -1 and found["rank"][0] is None and found["average"][0] is None
    assert found["rank"][1:] == (values(world, "mle")["rank"] + 1).tolist()
    run.file("per_caption.parquet").unlink()
    assert said_by([stage], Pictures(ids))["runs"] == [{"said": [*range(len(ids))]}]


def test_facts_are_judged_as_the_truth_checker_does(world: ScenesDataset) -> None:
    of = Pictures([r.image_id for r in world.records], world)
    said = {**captions(world, "scst_geg"), world.records[3].image_id: "two red dogs in a kitchen"}
    found = facts_in(said.values(), of.atoms)
    scenes = {r.image_id: SceneGraph.from_dict(r.scene or {}) for r in world.records}
    truth = count_truth(said, scenes)
    holds = of.content([], 0)["holds"]
    for row, numbers in enumerate(found["facts"]):
        facts = [found["fact"][number] for number in numbers]
        assert len(facts) == truth.stated[row]
        assert sum(bool({*atoms} & {*holds[row]}) for *_, atoms in facts) == truth.true[row]
    assert 0 < truth.true.sum() < truth.stated.sum()


def test_the_same_fact_in_other_words_has_the_same_meaning() -> None:
    found = facts_in(["a red car", "a red automobile", "a blue car"], {})
    first, second, third = ({found["fact"][n][2] for n in of_one} for of_one in found["facts"])
    assert first == second != third


def test_variants_are_stages_of_their_own(profile: Profile, world: ScenesDataset) -> None:
    every_stage(profile, world)
    speak(changed(profile, **{"rewards.geg_avg": 7.5}), world, "scst_geg", variant="aa")
    speak(changed(profile, 3), world, "scst_geg", variant="bb")
    speak(changed(profile, epochs=9), world, "scst_geg", variant="cc")  # otherwise unlike: none
    stages = stages_of(Runs.of(profile))
    label = profile.objective("scst_geg").label
    assert [(stage.name, stage.said) for stage in stages[2:]] == [
        ("scst_geg", label),
        ("scst_geg,K=3", f"{label}, K 3"),
        ("scst_geg,beta=7.5", f"{label}, beta 7.5"),
    ]


def test_stops_are_means_over_the_seeds_that_all_have(
    profile: Profile, world: ScenesDataset
) -> None:
    two = profile.experiments.model_copy(update={"seeds": (1, 2, 3)})
    profile = profile.model_copy(update={"experiments": two})
    for seed, cider in ((1, 100.0), (2, 110.0), (3, 500.0)):
        for objective in ENDINGS:
            speak(profile, world, objective, seed, CIDEr=cider)
    more = changed(profile, **{"rewards.geg_avg": 7.5})
    for seed, recall in ((1, 20.0), (2, 30.0)):
        speak(more, world, "scst_geg", seed, "aa", **{"R@1": recall})
    speak(changed(profile, 3), world, "scst_geg", 1, "bb", CIDEr=90.0)
    beta, k = all_series([explorer.Listed.of(Runs.of(profile))])
    own = sum(w for n, w in profile.objective("scst_geg").rewards.items() if n != "cider")
    assert (beta["of"], beta["where"], beta["seeds"]) == ("beta", "test", [1, 2])
    assert beta["stops"] == sorted(
        [
            {"value": own, "run": "scst_geg", "CIDEr": 105.0, "R@1": 10.0},
            {"value": 7.5, "run": "scst_geg,beta=7.5", "CIDEr": 100.0, "R@1": 25.0},
        ],
        key=lambda stop: stop["value"],
    )
    start = {"label": "+SCST", "run": "scst", "CIDEr": 105.0, "R@1": 10.0}
    assert beta["beside"] == [start]
    assert (k["of"], k["seeds"]) == ("K", [1])
    assert [(stop["value"], stop["CIDEr"]) for stop in k["stops"]] == [
        (3, 90.0),
        (profile.group_size, 100.0),
    ]


def test_sweeps_are_read_after_their_last_epoch(
    profile: Profile, world: ScenesDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(profile, world, "mle")
    history = [{"epoch": e, "CIDEr-D": 90.0 + e, "R@1": 5.0 + e} for e in range(3)]
    entries = [
        {"model": "updown", "seed": seed, "value": value, "history": history, "training": []}
        for seed in (1, 2)
        for value in (0.5, 2)
    ]
    path = tmp_path / "sweeps" / "smoke-scst_geg-rewards.geg_avg.json"
    path.parent.mkdir()
    about = {"profile": "smoke", "objective": "scst_geg", "field": "rewards.geg_avg"}
    path.write_text(json.dumps({**about, "entries": entries}))
    path.with_name("smoke-scst_geg-epochs.json").write_text("{}")
    monkeypatch.setattr("bookkit.play.weights.STORED", tmp_path)
    (found,) = all_series([explorer.Listed.of(Runs.of(profile))])
    assert (found["where"], found["model"], found["seeds"]) == ("validation", "updown", [1, 2])
    assert found["stops"] == [{"value": v, "CIDEr": 92.0, "R@1": 7.0} for v in (0.5, 2.0)]
    assert found["beside"] == [{"label": "where all start", "CIDEr": 90.0, "R@1": 5.0}]


def test_what_is_written_is_complete_and_within_the_budget(
    profile: Profile, world: ScenesDataset, tmp_path: Path
) -> None:
    every_stage(profile, world)
    folder = tmp_path / "explorer"
    folder.mkdir()
    (folder / "said-old-model.js").write_text("old")
    assert write_explorer(profile, folder) == folder / INDEX
    index, shown = unpacked(folder / INDEX), unpacked(folder / PICTURES)
    (about,) = index["sets"]
    (model,) = about["models"]
    assert [run["name"] for run in model["runs"]] == list(ENDINGS)
    assert shown["ids"] == [r.image_id for r in world.records]
    assert shown["references"][0] == list(world.records[0].captions[:2])
    assert index["commands"] == commands(Runs.of(profile)) and index["leftOut"] == []
    files = {path.name for path in folder.iterdir()}
    assert files == {INDEX, PICTURES, model["part"], *shown["sheets"]}
    assert sum(path.stat().st_size for path in folder.iterdir()) < explorer.BUDGET


def test_what_does_not_fit_is_named(
    profile: Profile, world: ScenesDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_stage(profile, world)
    monkeypatch.setattr(explorer, "_INDEX", 2_000)
    assert write_explorer(profile, tmp_path / "explorer", budget=1_000)
    index = unpacked(tmp_path / "explorer" / INDEX)
    assert index["sets"] == [] and index["leftOut"] == ["Transformer of profile smoke"]


def test_without_runs_nothing_is_left(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "explorer").mkdir()
    (tmp_path / "explorer" / INDEX).write_text("old")
    assert write_explorer(profile, tmp_path / "explorer") is None
    assert list((tmp_path / "explorer").iterdir()) == []


def test_no_photograph_is_published() -> None:
    assert Pictures.of_scenes(load_profile("flickr8k")) is None
    shown = Pictures([3, 5]).content([], 160)
    assert shown["ids"] == [3, 5]
    assert all(shown[name] == [] for name in ("sheets", "references", "neighbours", "holds"))


def test_sheets_show_the_pictures_and_are_painted_once(
    world: ScenesDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "PER_SHEET", 12)
    names = write_sheets(world, tmp_path, 48)
    assert len(names) == -(-len(world.records) // 12)
    for row in (0, 11, 12, len(world.records) - 1):
        stored = Image.open(io.BytesIO((tmp_path / names[row // 12]).read_bytes()))
        sheet = np.asarray(stored.convert("RGB")).astype(float)
        top, left = 48 * (row % 12 // COLUMNS), 48 * (row % 12 % COLUMNS)
        found = sheet[top : top + 48, left : left + 48]
        assert np.abs(found - paint(world.scene(row), 48)).mean() < 8
    monkeypatch.setattr(pictures, "paint", None)
    assert write_sheets(world, tmp_path, 48) == names


def test_thumbnails_get_smaller_where_there_are_many() -> None:
    assert side_within(1_000, 4_000_000) == 160
    assert side_within(2_000, 4_000_000) == 96
    assert side_within(50_000, 4_000_000) == 48


def test_no_text_of_a_part_is_code() -> None:
    text = packed("part.js", {"caption": ODD + "</script>\u2028"})
    assert not {*"<>&"} & {*text} and text.isascii() and text.count("\n") == 1
    assert text == packed("part.js", {"caption": ODD + "</script>\u2028"})


def test_runs_that_older_code_left_without_captions_are_passed_over(
    profile: Profile, world: ScenesDataset
) -> None:
    run = speak(profile, world, "mle")
    run.file("captions.json").unlink()
    write_records(RunFolder(run.path), profile, "transformer", "mle")
    assert stages_of(Runs.of(profile)) == []
