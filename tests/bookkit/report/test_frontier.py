"""Runs that differ in one setting alone: which lie beside a run, and which do not count."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic_runs import Project, make_run

from bookkit.report.frontier import group_size, neighbours, rewards, variants
from bookkit.report.results import Runs
from gegcore.profiles import load_profile
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


def test_losses_of_others_have_weights_where_they_are_rewarded() -> None:
    profile = load_profile("rivals")
    found = {name: rewards(profile.objective(name).model_dump()) for name in profile.objectives}
    assert sum(found["identification"].values()) == pytest.approx(0.2)
    assert found["disc_cap"] and found["stack_cap"] and found["ciderbtw_cap"]
    assert not any(found[name] for name in ("mle", "stack_mle", "btw_mle", "gdis_mle"))


def test_the_weights_of_a_reward_of_others_are_a_frontier(project: Project) -> None:
    """Four values of beta are four weights, whatever the loss is called."""
    profile = load_profile("rivals").model_copy(update={"name": "smoke"})
    own = profile.objective("identification")
    for beta in (0.05, 0.02, 0.1, 0.2):
        weights = {name: beta if name != "cider" else w for name, w in own.rewards.items()}
        objectives = {
            **profile.objectives,
            "identification": {**own.model_dump(), "rewards": weights},
        }
        made = make_run(
            profile.model_copy(update={"objectives": objectives}),
            *(project.dataset, "identification", 1),
        )
        kept = made.path.with_name(f"kept-{beta:g}")
        made.path.rename(kept)
    for path in made.path.parent.glob("kept-*"):
        own_settings = path.name == "kept-0.05"
        path.rename(made.path if own_settings else made.path.with_name(f"{made.name}-{path.name}"))
    folders = {("transformer", "identification", 1): made}
    names = Runs(profile, folders, True, ()).frontier("identification")[1]
    assert [name.rpartition(" ")[2] for name in names] == ["0.4", "identification", "2", "4"]
