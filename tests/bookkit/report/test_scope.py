"""The table of what was run, beside the paper's setting."""

from __future__ import annotations

from bookkit.report.page import DASH
from bookkit.report.results import Runs
from bookkit.report.scope import scope


def test_the_paper_stands_beside_what_was_run() -> None:
    every = Runs.every("quick")
    table = scope("coco", every)
    assert table.columns.to_list() == ["paper", *(runs.profile.name for runs in every)]
    paper, here = table["paper"], table[every[0].profile.name]
    assert paper[["training images", "test images"]].to_list() == ["113,287", "5,000"]
    assert paper[["K", "alpha, beta", "epochs of +GEG"]].to_list() == ["5", "0.1, 10", "10"]
    assert paper[["seeds", "runs", "hours of training"]].to_list() == [DASH] * 3
    assert here["runs"] == str(len(every[0].folders))
    assert here["seeds"] == ", ".join(map(str, every[0].profile.experiments.seeds))
