"""Runs that differ in one setting alone: which lie beside a run, and which do not count."""

from __future__ import annotations

from typing import Any

from synthetic_runs import Project, make_run

from bookkit.report.frontier import group_size, neighbours, variants
from gegcore.runs import EVALUATED, RunFolder


def test_variants_differ_in_the_weights_alone_or_in_k_alone(project: Project) -> None:
    own = project.profile.objective("scst_geg")
    more = {"rewards": {**own.rewards, "geg_avg": 50.0}}
    changes: dict[str, tuple[int, dict[str, Any]]] = {
        "": (5, {}),
        "-more": (5, more),
        "-few": (3, {}),
        "-both": (3, more),
        "-without": (5, {"rewards": {"geg_avg": 1.0}}),
        "-longer": (3, {"epochs": own.epochs + 1}),
    }
    assert project.profile.group_size == 5
    for name, (k, fields) in changes.items():
        objectives = dict(project.profile.objectives)
        objectives["scst_geg"] = {**objectives.get("scst_geg", {}), **fields}
        update = {"objectives": objectives, "group_size": k}
        made = make_run(project.profile.model_copy(update=update), project.dataset, "scst_geg", 1)
        made.path.rename(made.path.with_name(f"kept{name}"))
    for path in made.path.parent.glob("kept*"):
        path.rename(made.path.with_name(path.name.replace("kept", made.path.name)))

    def names(runs: list[RunFolder]) -> list[str]:
        return [run.name.removeprefix(made.name) for run in runs]

    assert names(neighbours(made)) == ["-more"]
    assert names(variants(made)) == ["-more", "-few"]
    few = RunFolder(made.path.with_name(f"{made.name}-few"))
    assert group_size(few) == 3 and names(variants(few)) == ["-both", ""]
    few.file(EVALUATED).unlink()
    assert names(variants(made)) == ["-more"]
