"""A killed run ends as an uninterrupted one; a finished one is left alone, always."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from child_processes import start, together, wait_for

from gegcore.cli import main
from gegcore.errors import ConfigError, DataError
from gegcore.experiment import run_experiment, train
from gegcore.materials import Materials
from gegcore.profiles import CONFIG_FOLDER, load_profile

EPOCHS, STEPS_BETWEEN = 8, 3


def long_smoke(folder: Path, objective: str) -> Path:
    """The smoke profile with enough steps to be interrupted, resuming every few of them."""
    fields = yaml.safe_load((CONFIG_FOLDER / "smoke.yaml").read_text())
    fields["name"] = "smoke"
    fields["objectives"][objective] |= {"epochs": EPOCHS, "checkpoint_every": STEPS_BETWEEN}
    path = folder / "long.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def run(home: Path, profile: Path, *options: str) -> None:
    """The command, in a process of its own."""
    os.environ["GEGCORE_HOME"] = str(home)
    arguments = ["run", "--profile", str(profile), "--objective", "mle", "--seed", "3", *options]
    sys.exit(main(arguments))


def run_folder(home: Path) -> Path:
    return home / "runs" / "smoke" / "transformer-mle-seed3"


@pytest.fixture
def other_home(smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("other")
    shutil.copytree(smoke_artifacts, home / "artifacts")
    return home


@pytest.mark.timeout(400)
def test_interrupted_run_ends_like_an_uninterrupted_one(smoke_home: Path, other_home: Path) -> None:
    """Killed twice and asked to stop once, each some time after it has saved.

    What is not interrupted is trained by two commands at once: the second waits for the first.
    """
    profile, lots = long_smoke(smoke_home, "mle"), random.Random(3)
    state = run_folder(smoke_home) / "state" / "resume.safetensors"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = start(run, smoke_home, profile)
        wait_for(lambda: state.exists() and state.stat().st_mtime_ns > before)  # noqa: B023
        time.sleep(lots.random() / 20)
        os.kill(process.pid or 0, number)
        process.join(timeout=200)
        assert process.exitcode == (-number if number == signal.SIGKILL else 128 + number)
    homes = (smoke_home, other_home, other_home)
    processes = [start(run, home, profile) for home in homes]
    for process in processes:
        process.join(timeout=200)
    assert [process.exitcode for process in processes] == [0] * 3
    assert sorted(path.name for path in run_folder(other_home).parent.iterdir()) == [
        ".transformer-mle-seed3.lock",
        "transformer-mle-seed3",
    ]
    killed, whole = run_folder(smoke_home), run_folder(other_home)
    for name in ("checkpoint.safetensors", "captions.json", "log.csv", "metrics.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    records = [json.loads((folder / "training.json").read_text()) for folder in (killed, whole)]
    assert records[0]["history"] == records[1]["history"]
    assert len(records[0]["history"]) == EPOCHS + 1
    assert [record["ended"] for record in records] == ["all epochs"] * 2
    assert [len(record["sittings"]) for record in records] == [4, 1]


@pytest.mark.timeout(400)
def test_two_processes_make_one_run(
    smoke_home: Path, other_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout differs with the number of processes, so the numbers are only alike."""
    together(run, 2, smoke_home, Path("smoke"))
    two = run_folder(smoke_home)
    monkeypatch.setenv("GEGCORE_HOME", str(other_home))
    one = train(Materials.of(load_profile("smoke")), "transformer", "mle", 3).path
    records = [json.loads((folder / "training.json").read_text()) for folder in (two, one)]
    assert [record["sittings"][0]["processes"] for record in records] == [2, 1]
    assert records[0]["history"][0] == records[1]["history"][0]  # the same weights to begin with
    assert records[0]["key"] == records[1]["key"]
    losses = [pd.read_csv(folder / "log.csv")["loss"] for folder in (two, one)]
    assert list(losses[0]) == pytest.approx(list(losses[1]), rel=0.05)
    assert {path.name for path in two.iterdir()} > {path.name for path in one.iterdir()}
    assert (two / "metrics.json").is_file() and not (two / "state").exists()


def test_whole_chain_then_nothing_to_do(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    for objective in profile.experiments.objectives:
        run = run_experiment(profile, "transformer", objective, seed=1)
        metrics = run.metrics()
        assert metrics["CIDEr"]["n"] == profile.data.test
        assert metrics["R@1"]["value"] <= metrics["R@5"]["value"] <= metrics["R@10"]["value"]
        for value in metrics.values():
            assert value["ci95"][0] <= value["value"] <= value["ci95"][1] or value["value"] == 0
        assert len(run.captions()) == profile.data.test
        assert not run.file("state").exists()
    before = {path: path.stat().st_mtime_ns for path in run.path.iterdir()}
    again = run_experiment(profile, "transformer", "scst_geg", seed=1)
    assert {path: path.stat().st_mtime_ns for path in again.path.iterdir()} == before


def test_other_settings_have_a_folder_of_their_own(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    run = run_experiment(profile, "transformer", "mle", seed=1)
    before = {p: p.read_bytes() for p in run.path.iterdir() if p.is_file()}
    changed = profile.model_copy(
        update={
            "objectives": {
                **profile.objectives,
                "mle": {**profile.objectives["mle"], "learning_rate": 2e-3},
            }
        }
    )
    other = run_experiment(changed, "transformer", "mle", seed=1)
    assert other.path.parent == run.path.parent and other.name.startswith(f"{run.name}-")
    assert run_experiment(profile, "transformer", "mle", seed=1) == run
    assert run_experiment(changed, "transformer", "mle", seed=1) == other
    assert {p: p.read_bytes() for p in run.path.iterdir() if p.is_file()} == before


def test_start_that_is_missing_is_named(smoke_home: Path) -> None:
    with pytest.raises(DataError, match="transformer-mle-seed9") as caught:
        run_experiment(load_profile("smoke"), "transformer", "scst", seed=9)
    options = "--profile smoke --model transformer --objective mle --seed 9"
    assert caught.value.fix == f"first run `gegcore run {options}`"


def test_the_command_trains_what_is_missing_before(
    smoke_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changes are of the last stage alone; what is finished is not touched, nor scored again."""
    runs = smoke_home / "runs" / "smoke"
    options = ["run", "--profile", "smoke", "--seed", "3", "--objective", "scst"]
    assert main([*options, "--set", "learning_rate=2e-4"]) == 0
    said = capsys.readouterr()
    assert "mle, which scst builds on, is trained first" in said.err
    mle, changed = sorted(path for path in runs.iterdir() if path.is_dir())
    lines = said.out.splitlines()
    assert mle.name == "transformer-mle-seed3"
    assert [line[:5] for line in lines[lines.index(str(changed)) :][1:2]] == ["CIDEr"]
    assert changed.name.startswith("transformer-scst-seed3-")
    (mle / "metrics.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in mle.iterdir()}
    assert main([*options, "--again"]) == 0
    said = capsys.readouterr()
    assert str(runs / "transformer-scst-seed3") in said.out.splitlines()
    assert "first" not in said.err
    assert {path: path.stat().st_mtime_ns for path in mle.iterdir()} == before


def test_what_cannot_be_built_takes_no_name(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    wrong = profile.model_copy(update={"models": {"transformer": {"widht": 64}}})
    with pytest.raises(ConfigError, match="widht"):
        train(Materials.of(wrong), "transformer", "mle", 3)
    assert not run_folder(smoke_home).exists()
    assert profile.run("transformer", "mle", 3).path == run_folder(smoke_home)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["epoch=1"], "field 'epoch'.*did you mean 'epochs'"),
        (["rewards.cidr=1"], "unknown reward 'cidr'.*did you mean 'cider'"),
        (["epochs=0"], "field 'epochs'.*give another value"),
    ],
)
def test_a_mistake_in_set_is_said_to_be_there(
    changes: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--profile", "smoke", "--objective"]
    assert main([*command, "scst", "--set", *changes]) == 1
    error = capsys.readouterr().err
    assert re.search(said, error, re.DOTALL) and "  -> in --set: " in error
    assert "mend the profile" not in error
    assert main([*command, "scst_gegg", "--set", *changes]) == 1
    error = capsys.readouterr().err
    assert "did you mean 'scst_geg'" in error and "--set" not in error


@pytest.mark.parametrize(
    ("model", "objective", "named"),
    [
        ("transfomer", "mle", "transfomer"),
        ("transformer", "scts", "scts"),
    ],
)
def test_unknown_names_are_errors(smoke_home: Path, model: str, objective: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        run_experiment(load_profile("smoke"), model, objective, seed=1)
