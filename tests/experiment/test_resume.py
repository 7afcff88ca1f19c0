"""A killed run ends as an uninterrupted one; a finished one is left alone; a stale one redone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gegcore.errors import ConfigError, DataError
from gegcore.experiment import run_experiment
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


def command(profile: Path, objective: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gegcore.cli",
        "run",
        "--profile",
        str(profile),
        "--objective",
        objective,
        "--seed",
        "3",
    ]


def run_folder(home: Path, objective: str) -> Path:
    return home / "runs" / "smoke" / f"transformer-{objective}-seed3"


def kill_in_the_middle(home: Path, profile: Path, objective: str, times: int) -> int:
    """Start the run and kill -9 it shortly after each resume point; count the kills that hit."""
    state = run_folder(home, objective) / "state" / "resume.safetensors"
    hits = 0
    for attempt in range(times):
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = subprocess.Popen(
            command(profile, objective),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GEGCORE_HOME": str(home)},
        )
        while process.poll() is None:
            if state.exists() and state.stat().st_mtime_ns > before:
                time.sleep(0.02 * (attempt + 1))  # somewhere between two resume points
                process.send_signal(signal.SIGKILL)
                process.wait()
                break
            time.sleep(0.005)
        hits += process.returncode == -signal.SIGKILL
    return hits


@pytest.mark.timeout(300)
def test_killed_run_ends_like_an_uninterrupted_one(
    smoke_home: Path, smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    profile = long_smoke(smoke_home, "mle")
    other_home = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(smoke_artifacts, other_home / "artifacts")
    assert kill_in_the_middle(smoke_home, profile, "mle", times=2) == 2
    for home in (smoke_home, other_home):
        subprocess.run(
            command(profile, "mle"),
            check=True,
            capture_output=True,
            env={**os.environ, "GEGCORE_HOME": str(home)},
        )
    killed, whole = run_folder(smoke_home, "mle"), run_folder(other_home, "mle")
    for name in ("checkpoint.safetensors", "captions.json", "log.csv", "metrics.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    history = [
        json.loads((run / "training.json").read_text())["history"] for run in (killed, whole)
    ]
    assert history[0] == history[1]
    assert len(history[0]) == EPOCHS + 1


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


def test_other_configuration_starts_over(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    run = run_experiment(profile, "transformer", "mle", seed=1)
    first = run.made_from("training.json")
    changed = profile.model_copy(
        update={
            "objectives": {
                **profile.objectives,
                "mle": {**profile.objectives["mle"], "learning_rate": 2e-3},
            }
        }
    )
    assert run_experiment(changed, "transformer", "mle", seed=1).made_from("training.json") != first


def test_start_that_is_missing_is_named(smoke_home: Path) -> None:
    with pytest.raises(DataError, match="transformer-mle-seed9"):
        run_experiment(load_profile("smoke"), "transformer", "scst", seed=9)


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
