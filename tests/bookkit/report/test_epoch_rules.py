"""What the rules that select epochs contribute to a difference in R@1."""

from __future__ import annotations

import pytest
from synthetic_runs import Project, make_run

from bookkit.report.results import Runs
from bookkit.report.selection import gains


def test_both_sides_by_the_same_rule(project: Project) -> None:
    """R@1 rises by 1 an epoch; CIDEr-D of the gap alone falls below 90 % in the first."""
    folders = {}
    for objective, best in (("scst_geg_sole", 1), ("scst_pp", 2), ("scst_er", 3)):
        for seed in (1, 2):
            run = make_run(project.profile, project.dataset, objective, seed, best_epoch=best)
            folders["transformer", objective, seed] = run
    runs = Runs(project.profile, folders, True, ())
    alone = gains(runs, "scst_geg_sole", "scst_pp").loc["transformer"]
    assert alone.to_list() == pytest.approx([-1, -3, 100 * 18 / 117])
    both_rise = gains(runs, "scst_er", "scst_pp").loc["transformer"]
    assert both_rise.to_list() == pytest.approx([1, 0, 100])
    assert gains(runs, "scst_geg", "scst_pp").empty
