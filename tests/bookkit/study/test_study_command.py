"""`python -m bookkit.study`: from files of captions or runs to a folder, and errors in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import write_records

from bookkit.study.__main__ import main
from bookkit.study.design import read_study
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.storage import write_json


@pytest.fixture
def files(smoke_home: Path) -> list[str]:
    """Captions of two systems of the smallest world, as options."""
    records = Materials.of(load_profile("smoke")).data["test"].records
    options = []
    for place, name in enumerate(("first", "second")):
        rows = [{"image_id": r.image_id, "caption": r.captions[place]} for r in records]
        write_json(smoke_home / f"{name}.json", rows)
        options.append(f"{name}={smoke_home / name}.json")
    return options


def make(home: Path, systems: list[str], *more: str) -> int:
    size = ["--pictures", "2", "--trials", "2", "--contact", "Jo", "--profile", "smoke"]
    return main([*size, "--to", str(home / "kit"), "--systems", *systems, *more])


def test_files_of_captions_become_a_folder(
    smoke_home: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(smoke_home, files, "--seed", "3") == 0
    study = read_study(smoke_home / "kit" / "key.json")
    assert study.systems == ["first", "second"] and study.seed == 3
    assert study.digest in capsys.readouterr().out
    assert (smoke_home / "kit" / "page" / "index.html").is_file()
    assert make(smoke_home, files) == 1
    assert "has a study already" in capsys.readouterr().err


def test_studies_without_a_seed_differ(smoke_home: Path, files: list[str]) -> None:
    assert make(smoke_home, files) == 0
    first = read_study(smoke_home / "kit" / "key.json")
    (smoke_home / "kit").rename(smoke_home / "before")
    assert make(smoke_home, files) == 0
    assert read_study(smoke_home / "kit" / "key.json").seed != first.seed


def test_runs_are_named_in_the_key(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    records = Materials.of(profile).data["test"].records
    for objective in ("scst", "scst_geg"):
        run = profile.run("transformer", objective, 1)
        rows = [{"image_id": r.image_id, "caption": objective} for r in records]
        write_json(run.file("captions.json"), rows)
        write_records(run, profile, "transformer", objective)
    assert make(smoke_home, ["scst", "scst_geg"]) == 0
    study = read_study(smoke_home / "kit" / "key.json")
    assert study.about["+SCST+GEG"] == "transformer-scst_geg-seed1"
    assert {t.caption.text for t in study.retrieval.values()} == {"scst", "scst_geg"}


def test_what_is_not_there_is_said(
    smoke_home: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(smoke_home, [*files, "scst"]) == 1
    assert "no finished run" in capsys.readouterr().err
    assert make(smoke_home, [files[0], "second=nowhere.json"]) == 1
    assert "nowhere.json" in capsys.readouterr().err
    assert make(smoke_home, files, "--pictures", "50") == 1
    assert "cannot be drawn" in capsys.readouterr().err
    assert not (smoke_home / "kit").exists()
