"""Finished runs as tidy tables: own ones, else stored ones; means over seeds; origins."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import Project

from bookkit.report.badge import runs_badge
from bookkit.report.results import Runs, control, over_seeds
from bookkit.report.stored import STORED
from gegcore.errors import ConfigError, DataError
from gegcore.metrics.presentation import families_of
from gegcore.profiles import CONFIG_FOLDER
from gegcore.runs import RunFolder


def test_without_any_run_the_error_says_what_to_do(project: Project) -> None:
    with pytest.raises(DataError, match="no finished run") as caught:
        Runs.of(project.profile)
    assert "make book PROFILE=smoke" in caught.value.fix


def test_stored_runs_are_read_where_there_are_none_of_one_s_own(project: Project) -> None:
    runs = Runs.of("quick")
    assert not runs.own and "results/quick, stored" in runs.source
    for name, run in runs.folders.items():
        assert run.path == STORED / "quick" / f"{name[0]}-{name[1]}-seed{name[2]}"
    assert "make book PROFILE=quick" in runs.no_scores
    assert len(runs.captions) == len(runs.folders) * runs.metrics["n"].max()


def test_stored_runs_are_not_those_of_another_file_of_the_name(
    project: Project, tmp_path: Path
) -> None:
    mine = tmp_path / "quick.yaml"
    mine.write_text("extends: quick\ngroup_size: 4\n")
    with pytest.raises(DataError, match="'quick' has no finished run"):
        Runs.of(str(mine))


def test_a_profile_that_adds_objectives_to_another_reads_the_stored_runs_of_both(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `rivals` adds its own to `standard`, whose tables do not change."""
    stored = tmp_path / "stored"
    for objective, name in (
        ("mle", "transformer-mle-seed1"),
        ("scst", "rivals.stack_cap.StackCap-stack_cap-seed2"),
    ):
        (stored / "standard").mkdir(parents=True, exist_ok=True)
        project.run(objective, 1)
        made = RunFolder.of("smoke", "transformer", objective, 1)
        made.path.rename(stored / "standard" / name)
    monkeypatch.setattr("bookkit.report.stored.STORED", stored)
    plain, more = Runs.of("standard"), Runs.of("rivals")
    assert list(plain.folders) == [("transformer", "mle", 1)]
    assert list(more.folders)[1:] == [("rivals.stack_cap:StackCap", "stack_cap", 2)]
    assert list(more.metrics["label"].unique()) == ["MLE", "Stack-Cap"]
    for name in ("standard", "rivals"):
        assert [runs.profile.name for runs in Runs.every(name)] == ["standard"]


def test_a_profile_of_config_that_names_nothing_there_harms_no_other(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CONFIG_FOLDER, tmp_path / "config")
    mine = tmp_path / "config" / "mine.yaml"
    monkeypatch.setattr("gegcore.profiles.CONFIG_FOLDER", mine.parent)
    for field in ("judges: {other: not_here:judge}", "objectives: {mle: {loss: not_here:Loss}}"):
        mine.write_text(f"extends: quick\n{field}\n")
        assert Runs.of("quick").folders
        with pytest.raises(ConfigError, match="not_here"):
            Runs.of("mine")


def test_reading_results_waits_for_no_package_that_only_computing_needs() -> None:
    """Seconds on each page."""
    code = (
        "import sys; from bookkit.report.results import Runs; Runs.every('quick'); "
        "sys.exit(str({*sys.modules} & {'open_clip', 'timm', 'papermill', 'nbformat'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_any_subset_of_runs_will_do(project: Project) -> None:
    project.run("scst", seed=2)
    runs = Runs.of(project.profile)
    assert runs.own and list(runs.folders) == [("transformer", "scst", 2)]
    assert len(runs.missing) == 5
    assert "transformer-mle-seed1" in runs.source and "nothing else" in runs.source


def test_an_unevaluated_run_does_not_count(project: Project) -> None:
    project.all_runs()
    RunFolder.of("smoke", "transformer", "mle", 1).file("evaluation.json").unlink()
    assert Runs.of(project.profile).missing == ("transformer-mle-seed1",)


def test_metrics_are_those_of_the_run_folders_in_the_order_of_the_grid(project: Project) -> None:
    project.all_runs()
    runs = Runs.of(project.profile)
    assert list(dict.fromkeys(runs.metrics["label"])) == ["MLE", "+SCST", "+SCST+GEG"]
    for row in runs.metrics.to_dict("records"):
        run = RunFolder.of("smoke", row["model"], row["objective"], row["seed"])
        found = run.metrics()[row["metric"]]
        assert row["value"] == found["value"]
        if row["metric"] == "BLEU-4":  # no mean over images: the interval is that of the run
            assert [row["low"], row["high"]] == found["ci95"]


def test_means_over_seeds(project: Project) -> None:
    project.all_runs()
    runs = Runs.of(project.profile)
    means = over_seeds(runs.metrics).set_index(["label", "metric"])
    each = runs.metrics.query("label == '+SCST' and metric == 'CIDEr'")
    assert len(each) == 2
    for column in ("value", "low", "high"):
        assert means.loc[("+SCST", "CIDEr"), column] == pytest.approx(each[column].mean())


def test_scores_of_captions_average_to_the_metrics(project: Project) -> None:
    """Recalls are counted from ranks, by the CLIP of the reward and by each judge."""
    project.all_runs()
    runs = Runs.of(project.profile)
    one = runs.scores.query("objective == 'scst_geg' and seed == 2")
    of_run = runs.metrics.query("objective == 'scst_geg' and seed == 2").set_index("metric")
    for name in ("CIDEr", "R@1", "R@5", "R@10", "R@1 judge SigLIP", "R@1 VSE++", "GEG-Min"):
        assert one[name].mean() == pytest.approx(of_run["value"][name])


def test_runs_that_kept_their_start_are_marked(project: Project) -> None:
    project.run("mle", 1, best_epoch=0)
    project.run("scst", 1)
    project.run("scst_geg", 2, best_epoch=0)
    runs = Runs.of(project.profile)
    assert runs.kept_start == {("transformer", "scst_geg", 2)}
    assert runs.marks("transformer") == {"+SCST+GEG": "+SCST+GEG \N{DEGREE SIGN}"}
    assert runs.marks("xlan") == {}


def test_every_stored_profile_is_read_once_after_the_one_asked_for(project: Project) -> None:
    project.run("scst_geg", 1)
    names = [runs.profile.name for runs in Runs.every(project.profile)]
    assert names[0] == "smoke" and "quick" in names and len({*names}) == len(names)
    most = Runs.most(project.profile, "scst_geg")
    assert len(most.of_objective("scst_geg")) == max(
        len(runs.of_objective("scst_geg")) for runs in Runs.every(project.profile)
    )
    assert most.unlike == "smoke" and "other data than the runs of profile smoke" in most.source
    assert Runs.of(project.profile).unlike == "" == Runs.most("quick", "mle_geg").unlike


def test_a_control_trains_as_long(project: Project) -> None:
    assert control(["MLE", "+SCST", "+SCST++"]) == "+SCST++"
    assert control(["MLE", "+SCST"]) == "+SCST"


def test_where_numbers_come_from(project: Project) -> None:
    project.all_runs()
    runs = Runs.of(project.profile)
    badge = runs_badge(runs).body
    for part in ("smoke", "1, 2", "2026-01-02", "01234567", "x86_64", "6 min"):
        assert part in badge
    assert len(runs.provenance) == 6 and set(runs.provenance["data"]) == {"ab12"}
    assert np.all(runs.provenance["seconds"] == 61.0)


def test_every_stored_metric_belongs_to_a_family(project: Project) -> None:
    assert "Others" not in families_of(list(Runs.of("quick").metrics["metric"].unique()))


def test_of_a_beam_the_metrics_are_its_own(project: Project) -> None:
    project.all_runs()
    runs = Runs.of(project.profile)
    assert runs.profile.beams == (3,)
    beam, greedy = (table.query("metric == 'CIDEr'") for table in (runs.beam(3), runs.metrics))
    assert list(beam["label"]) == list(greedy["label"])
    assert list(beam["value"] - greedy["value"]) == pytest.approx([3.0] * len(greedy))
    assert runs.beam(5).empty and {*runs.beam(5)} == {*runs.metrics}
