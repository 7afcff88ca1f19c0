"""Sweeps: each value trained once from the same start, validation only, shown as a figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookkit.report import sweeps
from gegcore.errors import ConfigError, DataError
from gegcore.experiment import train
from gegcore.experiment.sweep import main, sweep, sweep_file
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.storage import read_json


def test_a_sweep_trains_every_value_from_the_same_start(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    with pytest.raises(DataError, match="scst"):
        sweep(profile, "transformer", "scst_geg", "beta", [1], 1, materials)
    start = train(materials, "transformer", "mle", 1)
    train(materials, "transformer", "scst", 1)
    arguments = ["--profile", "smoke", "--field", "beta", "--values", "0", "5", "--to"]
    assert main([*arguments, str(smoke_home / "results")]) == 0
    path = sweep_file(smoke_home / "results", "smoke", "scst_geg", "beta")
    found = read_json(path)
    assert [entry["value"] for entry in found["entries"]] == [0, 5]
    low, high = (entry["history"] for entry in found["entries"])
    assert low[0] == high[0] and low[-1] != high[-1]
    assert "beta" not in found["shared"] and found["shared"]["alpha"] == 0.1

    # A second sweep with one more value trains only that one.
    runs = smoke_home / "runs" / "sweeps" / "smoke"
    before = {run.name: (run / "training.json").stat().st_mtime_ns for run in runs.iterdir()}
    assert main([*arguments[:-1], "2", "--to", str(smoke_home / "results")]) == 0
    after = {run.name: (run / "training.json").stat().st_mtime_ns for run in runs.iterdir()}
    assert before.items() < after.items() and len(after) == 3

    monkeypatch.setattr(sweeps, "STORED", path.parent)
    shown = sweeps.sweep_figure(profile)._repr_html_()
    assert shown.count("<img") == 2 and "beta 5" in shown
    assert start.checkpoint.is_file()


def test_a_sweep_over_names_is_shown_by_epoch(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison of baselines: values that are words, one learning curve each."""
    profile = load_profile("smoke")
    train(Materials.of(profile), "transformer", "mle", 1)
    arguments = ["--profile", "smoke", "--objective", "scst", "--field", "baseline", "--values"]
    to = ["--to", str(smoke_home / "results")]
    assert main([*arguments, "greedy", "mean_of_others", *to]) == 0
    path = sweep_file(smoke_home / "results", "smoke", "scst", "baseline")
    assert path.name == "smoke-scst-baseline.json"
    entries = read_json(path)["entries"]
    assert [entry["value"] for entry in entries] == ["greedy", "mean_of_others"]
    for entry in entries:
        assert [row["epoch"] for row in entry["training"]] == [1]
        assert {"reward", "reward_greedy", "positive_advantage"} <= set(entry["training"][0])

    monkeypatch.setattr(sweeps, "STORED", path.parent)
    shown = sweeps.sweep_figure(profile, "scst", "baseline")._repr_html_()
    assert shown.count("<img") == 3
    assert "mean of others (this profile):" in shown and "greedy:" in shown
    assert main([*arguments, "median", *to]) == 1  # the message names the two that there are


def test_a_profile_without_a_sweep_says_how_to_make_one(tmp_path: Path) -> None:
    profile = load_profile("smoke").model_copy(update={"name": "mine"})
    assert "gegcore.experiment.sweep --profile mine" in sweeps.sweep_figure(profile)._repr_html_()


def test_wrong_fields_and_objectives_are_refused(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    with pytest.raises(DataError, match="mle"):
        sweep(profile, "transformer", "mle", "epochs", [1], 1)
    materials = Materials.of(profile)
    train(materials, "transformer", "mle", 1)
    with pytest.raises(ConfigError, match="no field 'gamma'"):
        sweep(profile, "transformer", "scst", "gamma", [1], 1, materials)
    with pytest.raises(ConfigError, match="beta"):
        sweep(profile, "transformer", "scst", "beta", [-1], 1, materials)
