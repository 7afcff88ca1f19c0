"""Sweeps: each value trained once from the same start, judged on validation only."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from full_disk import files_end_at

from bookkit.report.sweeps import read_sweeps
from bookkit.sweep import main, refuse_loss, sweep, sweep_file
from gegcore.errors import ConfigError, DataError
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.storage import read_json, write_json


def test_a_sweep_trains_every_value_from_the_same_start(smoke_home: Path) -> None:
    """Which is trained before; nothing is tested."""
    profile, field = load_profile("smoke"), "rewards.geg_avg"
    arguments = ["--profile", "smoke", "--field", field, "--values", "0", "5", "--to"]
    assert main([*arguments, str(smoke_home / "results")]) == 0
    path = sweep_file(smoke_home / "results", "smoke", "scst_geg", field)
    found = read_json(path)
    assert [entry["value"] for entry in found["entries"]] == [0, 5]
    low, high = (entry["history"] for entry in found["entries"])
    assert low[0] == high[0] and low[-1] != high[-1]
    assert found["shared"]["transformer"]["rewards"] == {"cider": 0.1}

    # A second sweep with one more value trains only that one; the profile's own is its own run.
    runs = smoke_home / "runs" / "smoke"
    assert {"transformer-mle-seed1", "transformer-scst-seed1"} < {
        run.name for run in runs.iterdir()
    }
    assert not [*runs.rglob("metrics.json")]
    before = {run.name: (run / "training.json").stat().st_mtime_ns for run in runs.glob("[!.]*")}
    own = profile.objective("scst_geg").rewards["geg_avg"]
    assert main([*arguments[:-1], str(own), "--to", str(smoke_home / "results")]) == 0
    after = {run.name: (run / "training.json").stat().st_mtime_ns for run in runs.glob("[!.]*")}
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"transformer-scst_geg-seed1"}


def test_captioners_and_seeds_are_swept_alike(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    found = sweep(profile, ["transformer", "updown"], "scst", "samples", [2, 3], [3, 4])
    tried = [(e["model"], e["value"], e["seed"]) for e in found["entries"]]
    assert tried == list(itertools.product(("transformer", "updown"), (2, 3), (3, 4)))
    write_json(smoke_home / "sweeps" / "smoke-scst-samples.json", found)
    stored = read_sweeps(profile, smoke_home)["scst", "samples"]
    assert list(stored.last.index) == list(itertools.product(("transformer", "updown"), (2, 3)))
    ends = [e["history"][-1]["CIDEr-D"] for e in found["entries"] if e["model"] == "updown"]
    assert stored.last.loc[("updown", 3), "CIDEr-D"] == pytest.approx(sum(ends[2:]) / 2)


def test_a_sweep_over_names_keeps_what_training_said(smoke_home: Path) -> None:
    """The comparison of baselines: values that are words, one learning curve each."""
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
    assert main([*arguments, "median", *to]) == 1  # the message names the two that there are


def test_wrong_fields_and_objectives_are_refused(smoke_home: Path) -> None:
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    with pytest.raises(DataError, match="mle"):
        sweep(profile, ["transformer"], "mle", "epochs", [1], [1], materials)
    for field, value, named in (
        ("gamma", 1, "field 'gamma'"),
        ("samples", 0, "field 'samples'"),
        ("select.metric", "R@1", "'select' has no field 'metric'"),
        ("rewards.geg_avg", "much", r"field 'rewards\.geg_avg'"),
    ):
        with pytest.raises(ConfigError, match=named):
            sweep(profile, ["transformer"], "scst", field, [value], [1], materials)


def test_a_full_disk_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ["--profile", "smoke", "--field", "epochs", "--values", "1", "--to", str(tmp_path)]
    monkeypatch.setattr("bookkit.sweep.sweep", lambda *_: {"entries": ["x" * 9000]})
    with files_end_at(5000):
        assert main(asked) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"gegcore: {tmp_path}") and "File too large\n  -> free some room" in said
    assert main(asked) == 0


def test_a_sweep_that_is_kept_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "sweeps" / "quick-scst-epochs.json"
    both = ["transformer", "xlan"]
    refuse_loss(path, both, [1], [1, 2])
    write_json(path, {"entries": [{"model": "xlan", "seed": 1, "value": 1}]})
    refuse_loss(path, both, [1, 2], [1, 2])
    for models, seeds, values in ((both, [1], [2]), (["updown"], [1], [1]), (both, [2], [1])):
        with pytest.raises(DataError, match="another model, seed or value"):
            refuse_loss(path, models, seeds, values)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        refuse_loss(tmp_path / "file" / "x.json", ["transformer"], [1], [1])


def test_a_sweeps_file_is_in_its_folder(tmp_path: Path) -> None:
    found = sweep_file(tmp_path, "quick", "scst", "rewards.mine:Reward")
    assert found == tmp_path / "sweeps" / "quick-scst-rewards.mine.Reward.json"
    with pytest.raises(ConfigError, match="no field"):
        sweep_file(tmp_path, "quick", "scst", "rewards./../../outside")
