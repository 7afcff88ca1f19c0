"""Tables, figures, claims and the front page with every objective of the paper at once."""

from __future__ import annotations

from dataclasses import replace

from conftest import Project

from bookkit.report import figures, tables
from bookkit.report.claims import judge_all
from bookkit.report.frontpage import front_parts
from bookkit.report.results import Results
from gegcore.profiles import load_profile
from gegcore.training.config import OBJECTIVES


def test_the_report_copes_with_every_objective(project: Project) -> None:
    grid = project.profile.experiments.model_copy(
        update={"objectives": tuple(OBJECTIVES), "seeds": (1,)}
    )
    project = replace(project, profile=project.profile.model_copy(update={"experiments": grid}))
    project.all_runs()
    results = Results.of(project.profile)
    labels = [config.label for config in OBJECTIVES.values()]

    table = tables.results_table(results)._repr_html_()
    beside = tables.beside_paper(results, "xlan")._repr_html_()
    frontier = figures.frontier(results, "transformer")._repr_html_()
    front = "".join(front_parts(project.profile).values())
    for label in labels:
        assert label in table and f"{label}: CIDEr" in frontier and label in front
    assert "121.7" in beside
    for objective in ("scst_pp", "scst_geg_sole"):
        shown = figures.differences(results, "transformer", objective, "scst")._repr_html_()
        assert f"{OBJECTIVES[objective].label} minus +SCST on" in shown

    judged = {entry.claim.id: entry for entry in judge_all(results, "transformer")}
    tested = ("scst-pp-cider", "geg-over-er-r1", "geg-over-er-cider", "sole-r1", "sole-cider")
    assert all(judged[name].ours is not None for name in tested)
    assert judged["sole-cider"].verdict == "holds"


def test_lines_of_the_frontier_join_an_objective_with_its_start() -> None:
    points = {"mle": (1.0, 1.0), "scst": (2.0, 2.0), "scst_pp": (3.0, 2.0), "scst_geg": (2.0, 3.0)}
    with figures.panel("t", "x", "y") as (_, axes):
        figures._paths(axes, points)
    drawn = [tuple(map(tuple, line.get_xydata().tolist())) for line in axes.lines]
    assert drawn == [((1, 1), (2, 2)), ((2, 2), (3, 2)), ((2, 2), (2, 3))]


def test_settings_beside_a_profile() -> None:
    quick = load_profile("quick")
    assert "0.0003125" in tables.settings_table(quick, "mle", "xlan")._repr_html_()
    assert "0.0003125" not in tables.settings_table(quick, "mle")._repr_html_()
