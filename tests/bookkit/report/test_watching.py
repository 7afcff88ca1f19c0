"""What a run shows of its way: the health panel, what was noticed, captions over epochs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import Project
from test_report_figures import check

from bookkit.report import captions, curves
from gegcore.errors import DataError
from gegcore.runs import RunFolder

LOGS = json.loads((Path(__file__).parents[2] / "fixtures" / "training" / "logs.json").read_text())
OLD = ["step", "loss", "reward", "reward_greedy", "positive_advantage", "length", "entropy"]


def run_with(project: Project, name: str, columns: list[str] | None = None) -> RunFolder:
    """A finished run with a stored log."""
    project.run("scst_geg")
    run = RunFolder.of("smoke", "transformer", "scst_geg", 1)
    log = pd.DataFrame(LOGS[name])
    (log if columns is None else log[columns]).to_csv(run.file("log.csv"), index=False)
    settings = {"objective": {"loss": "self_critical", "samples": 5}}
    run.file("config.yaml").write_text(yaml.safe_dump(settings))
    return run


def test_health_panel_has_all_that_was_logged(project: Project) -> None:
    page = curves.health_panel(run_with(project, "Transformer, GEG"), "scst_geg")
    said = check(page, 8)
    rewards = ("Reward of sampled", "CIDEr-D of samples", "GEG-Avg of samples")
    shares = ("Better than the baseline", "Distinct samples", "in mid-phrase")
    for part in (*rewards, *shares, "Entropy", "Length"):
        assert part in said, part
    assert "<li>" not in page.body  # nothing was noticed


def test_a_single_reward_is_not_shown_twice(project: Project) -> None:
    said = check(curves.health_panel(run_with(project, "Transformer"), "scst"), 6)
    assert "CIDEr-D of samples" not in said


@pytest.mark.parametrize("missing", [None, "length", "entropy", "positive_advantage"])
def test_older_logs_still_render(project: Project, missing: str | None) -> None:
    columns = [name for name in OLD if name != missing]
    page = curves.health_panel(run_with(project, "Transformer", columns), "scst")
    check(page, 4 if missing is None else 3)
    assert "mid-phrase" not in page.body


def test_what_the_guards_noticed_is_listed(project: Project) -> None:
    page = curves.health_panel(run_with(project, "Up-Down, learning rate 2e-3"), "scst")
    assert re.search(r"<li>the reward collapsed: reward is 0\.\d+ at step 140, below", page.body)


def said(project: Project, *epochs: str) -> RunFolder:
    """A run that said something of the first two validation images after each epoch."""
    from emoji_scenes.dataset import ScenesDataset

    dataset = ScenesDataset("val", 4)
    dataset.save(project.home / "artifacts" / "smoke" / "data" / "val.json")
    project.run("scst")
    run = RunFolder.of("smoke", "transformer", "scst", 1)
    ids = [str(record.image_id) for record in dataset.records[:2]]
    rows = [
        {"epoch": i, "step": 9 * i, "captions": dict.fromkeys(ids, caption)}
        for i, caption in enumerate(epochs)
    ]
    run.file("samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_captions_over_epochs(project: Project) -> None:
    run = said(project, "a dog", "a dog on a hill", "a dog on a hill", "")
    page = captions.said_over_time(project.profile, run).body
    assert page.count("<img") == 2
    lines = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)[:4]
    kept = ' <span class="geg-pill geg-holds">kept</span>'  # the made-up runs keep epoch 2
    assert lines[0] == ("epoch 0", "a dog")
    assert lines[1] == ("epoch 1 to 2", "a dog on a <b>hill</b>" + kept)
    assert lines[2] == ("epoch 3", "(no words)")
    assert lines[3][0] == "a person"


def test_fewer_pictures_on_request(project: Project) -> None:
    page = captions.said_over_time(project.profile, said(project, "a dog"), count=1)
    assert page.body.count("<img") == 1


def test_runs_without_kept_captions_say_so(project: Project) -> None:
    project.run("scst")
    run = RunFolder.of("smoke", "transformer", "scst", 1)
    assert "kept no captions" in captions.said_over_time(project.profile, run).body
    run.file("training.json").unlink()
    with pytest.raises(DataError):
        captions.said_over_time(project.profile, run)
