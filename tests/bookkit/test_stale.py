"""What a build looks at again before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from finished_runs import write_records

from bookkit.stale import FINISHED, reopen
from gegcore.experiment.keys import training_code
from gegcore.profiles import Profile, load_profile
from gegcore.runs import TRAINED, RunFolder
from gegcore.storage import write_json

STAGES = ("mle", "scst", "scst_geg")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, RunFolder]:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    profile, found = load_profile("smoke"), {}
    for objective in STAGES:
        run = found[objective] = profile.run("transformer", objective, 1)
        for name in ("metrics.json", "captions.json", "log.csv", FINISHED):
            write_json(run.file(name), {"name": name})
        write_records(run, profile, "transformer", objective)
        _retrained(run, training_code(profile, "transformer", objective))
    return found


def _retrained(run: RunFolder, code: dict[str, str]) -> None:
    key = {**run.training()["key"], "code": code}
    run.write_record(TRAINED, {"key": key}, ["log.csv"])
    run.write_record("evaluation.json", {"key": key}, ["metrics.json", "captions.json", TRAINED])


@pytest.fixture
def profile() -> Profile:
    return load_profile("smoke")


def test_whole_runs_are_left_alone(runs: dict[str, RunFolder], profile: Profile) -> None:
    assert reopen(profile) == reopen(profile, again=True) == []


@pytest.mark.parametrize("name", ["metrics.json", "captions.json", "log.csv", TRAINED])
def test_a_damaged_run_is_looked_at_again(
    runs: dict[str, RunFolder], profile: Profile, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs["scst"].file(name).write_text("{}")
    assert reopen(profile) == ["transformer-scst-seed1"]
    assert f"transformer-scst-seed1: damaged: {name}" in capsys.readouterr().err


def test_on_request_older_runs_and_what_started_from_them_are_set_aside(
    runs: dict[str, RunFolder], profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _retrained(runs["scst"], {"gegcore.gap": "older"})
    assert reopen(profile) == []
    assert reopen(profile, again=True) == ["transformer-scst-seed1", "transformer-scst_geg-seed1"]
    assert [run.path.exists() for run in runs.values()] == [True, False, False]
    aside = [run.path.with_name(f"{run.name}.old1") for run in runs.values()]
    assert [folder.exists() for folder in aside] == [False, True, True]
    assert "transformer-scst_geg-seed1: kept in" in capsys.readouterr().err


def test_a_run_that_was_deleted_is_missed(runs: dict[str, RunFolder], profile: Profile) -> None:
    """Snakemake asks for nothing that lies between pages which are there and their sources."""
    shutil.rmtree(runs["mle"].path)
    runs["scst"].file(FINISHED).unlink()
    assert reopen(profile) == ["transformer-mle-seed1", "transformer-scst-seed1"]
