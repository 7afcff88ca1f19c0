"""Which checkpoint a run keeps: the written rule, word for word, on validations made up here."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from sittings import config, trainer
from torch import Tensor

from gegcore.errors import TrainingInterrupted
from gegcore.models import Captioner
from gegcore.training.config import OBJECTIVES

CIDER, RECALL, GAP = "CIDEr-D", "R@1", "GEG-Avg"


class Scripted:
    """A validation that says what it is told, call by call, and remembers the weights it saw."""

    def __init__(self, **columns: list[float]) -> None:
        rows = zip(*columns.values(), strict=True)
        self.rows = [dict(zip(columns, row, strict=True)) for row in rows]
        self.weights: list[dict[str, Tensor]] = []

    def __call__(self, model: Captioner) -> dict[str, float]:
        self.weights.append({name: v.detach().clone() for name, v in model.state_dict().items()})
        return {CIDER: 0.0, RECALL: 0.0, GAP: 0.0} | self.rows[len(self.weights) - 1]


def fitted(folder: Path, script: Scripted, **rule: Any) -> tuple[int | None, float | None, int]:
    """Best epoch, its value, and the epoch whose weights the run ends with."""
    settings = config("cross_entropy", epochs=len(script.rows) - 1, select=rule)
    run = trainer(folder, settings, validate=script)
    progress = run.fit()
    assert not run.model.training
    found = run.model.state_dict()
    (loaded,) = (
        epoch
        for epoch, weights in enumerate(script.weights)
        if all(torch.equal(found[name], weights[name]) for name in found)
    )
    return progress.best_epoch, progress.best, loaded


@pytest.mark.parametrize("metric", [CIDER, RECALL, GAP])
def test_the_largest_value_of_the_metric_is_kept(tmp_path: Path, metric: str) -> None:
    """Each of the other two would keep another epoch."""
    columns = {CIDER: [3.0, 1.0, 2.0], RECALL: [1.0, 3.0, 2.0], GAP: [-2.0, -3.0, -1.0]}
    best = columns[metric].index(max(columns[metric]))
    script = Scripted(**columns)
    assert fitted(tmp_path, script, metric=metric) == (best, max(columns[metric]), best)


def test_cider_is_the_metric_where_nothing_else_is_said(tmp_path: Path) -> None:
    script = Scripted(**{CIDER: [1.0, 5.0, 2.0], RECALL: [9.0, 0.0, 9.0], GAP: [0.0, 0.0, 1.0]})
    assert fitted(tmp_path, script) == (1, 5.0, 1)


@pytest.mark.parametrize(
    ("values", "best"), [([1.0, 4.0, 4.0], 1), ([4.0, 4.0, 4.0], 0), ([0.0, 0.0, -1.0], 0)]
)
def test_of_equal_epochs_the_first_is_kept(tmp_path: Path, values: list[float], best: int) -> None:
    assert fitted(tmp_path, Scripted(**{CIDER: values})) == (best, max(values), best)


@pytest.mark.parametrize(
    ("cider", "best"),
    [
        ([100.0, 75.0, 74.9], 1),  # exactly its share counts, a little less does not
        ([100.0, 74.9, 75.1], 2),
        ([100.0, 74.0, 74.0], 0),
        ([100.0, 200.0, 80.0], 2),  # the share is of the CIDEr-D before training, not of the best
        ([0.0, 0.0, 0.0], 2),
    ],
)
def test_epochs_that_lost_their_cider_do_not_count(
    tmp_path: Path, cider: list[float], best: int
) -> None:
    recall = [1.0, 5.0, 9.0]
    script = Scripted(**{CIDER: cider, RECALL: recall})
    rule = {"metric": RECALL, "least_cider_share": 0.75}
    assert fitted(tmp_path, script, **rule) == (best, recall[best], best)


def test_without_a_share_any_cider_counts(tmp_path: Path) -> None:
    script = Scripted(**{CIDER: [100.0, 0.0], RECALL: [1.0, 2.0]})
    assert fitted(tmp_path, script, metric=RECALL) == (1, 2.0, 1)


def test_a_rule_that_no_epoch_meets_keeps_the_last(tmp_path: Path) -> None:
    script = Scripted(**{CIDER: [100.0, 90.0, 80.0]})
    assert fitted(tmp_path, script, least_cider_share=1.5) == (None, None, 2)


def test_a_tie_after_a_resume_keeps_the_epoch_from_before(tmp_path: Path) -> None:
    """What was best so far, and the CIDEr-D before training, come back with the state."""
    rule = {"metric": RECALL, "least_cider_share": 0.9}
    settings = config("cross_entropy", epochs=3, select=rule)
    script = Scripted(**{CIDER: [100.0, 95.0, 95.0, 89.0], RECALL: [1.0, 3.0, 3.0, 4.0]})
    first = trainer(tmp_path, settings, validate=script)
    step = first.objective.step

    def stopping(*arguments: Any) -> Any:
        if first.progress.step == 4:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    first.objective.step = stopping  # type: ignore[method-assign]
    with pytest.raises(TrainingInterrupted, match="after step 5 of 9"):
        first.fit()
    resumed = trainer(tmp_path, settings, validate=script)
    progress = resumed.fit()
    assert (progress.best_epoch, progress.best, len(script.weights)) == (1, 3.0, 4)
    found = resumed.model.state_dict()
    assert all(torch.equal(found[name], script.weights[1][name]) for name in found)


def test_the_papers_objectives_select_as_the_book_says() -> None:
    """Rewards of CLIP by R@1, among the epochs that keep nine tenths of their CIDEr-D."""
    found = {
        name: (settings.select.metric, settings.select.least_cider_share)
        for name, settings in OBJECTIVES.items()
    }
    assert found == {
        "mle": (CIDER, 0.0),
        "scst": (CIDER, 0.0),
        "scst_pp": (CIDER, 0.0),
        "scst_er": (RECALL, 0.9),
        "scst_geg": (RECALL, 0.9),
        "mle_geg": (RECALL, 0.9),
        "scst_geg_min": (RECALL, 0.9),
        "scst_geg_sole": (RECALL, 0.0),
    }
