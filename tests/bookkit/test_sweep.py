"""Sweeps: each value trained once from the same start, judged on validation only."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from full_disk import files_end_at

from bookkit.report.sweeps import read_sweeps
from bookkit.sweep import _shared, main, sweep, sweep_file
from gegcore.errors import ConfigError, DataError
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
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
    large = {"entries": [{"model": "x" * 9000, "seed": 1, "value": 1}], "shared": {}}
    monkeypatch.setattr("bookkit.sweep.sweep", lambda *_: large)
    with files_end_at(5000):
        assert main(asked) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"gegcore: {tmp_path}") and "File too large\n  -> free some room" in said
    assert main(asked) == 0


def test_a_sweep_adds_to_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trained(profile: Profile, models: list[str], *rest: Any) -> dict[str, Any]:
        (objective, field, values, seeds) = rest
        tried = itertools.product(models, values, seeds)
        entries = [{"model": m, "value": v, "seed": s, "at": next(count)} for m, v, s in tried]
        shared = {m: _shared(profile.objective(objective, m), field) for m in models}
        return {"field": field, "shared": shared, "entries": entries}

    count = itertools.count()
    monkeypatch.setattr("bookkit.sweep.sweep", trained)
    asked = ["--objective", "scst", "--field", "samples", "--to", str(tmp_path)]
    assert main([*asked, "--values", "2", "3"]) == 0
    assert main([*asked, "--values", "3", "4", "--models", "transformer", "xlan"]) == 0
    kept = read_json(sweep_file(tmp_path, "quick", "scst", "samples"))
    tried = [(e["model"], e["value"], e["at"]) for e in kept["entries"]]
    assert tried[:3] == [("transformer", 2, 0), ("transformer", 3, 2), ("transformer", 4, 3)]
    assert tried[3:] == [("xlan", 3, 4), ("xlan", 4, 5)]
    assert {*kept["shared"]} == {"transformer", "xlan"}

    mine = tmp_path / "quick.yaml"
    mine.write_text("extends: quick\nobjectives: {scst: {learning_rate: 2.0e-4}}\n")
    assert main([*asked, "--values", "2", "--profile", str(mine)]) == 1
    assert "keeps a sweep of transformer with other settings" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*asked[:-1], str(tmp_path / "file"), "--values", "2"]) == 1
    assert "file" in capsys.readouterr().err


def test_a_sweeps_file_is_in_its_folder(tmp_path: Path) -> None:
    found = sweep_file(tmp_path, "quick", "scst", "rewards.mine:Reward")
    assert found == tmp_path / "sweeps" / "quick-scst-rewards.mine.Reward.json"
    with pytest.raises(ConfigError, match="no field"):
        sweep_file(tmp_path, "quick", "scst", "rewards./../../outside")
