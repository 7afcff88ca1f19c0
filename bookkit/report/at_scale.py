"""The paper's tables beside runs on MSCOCO: those that are there, and the command of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bookkit.report.page import number
from bookkit.report.paper import MODEL_NAMES, OBJECTIVE_SUFFIX, paper_table
from bookkit.report.results import Runs
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.training.config import OBJECTIVES

OURS, NOT_RUN = "ours", "not run: "


def runs_on(profile: Profile) -> Runs | None:
    """Finished runs of a profile, own or stored; None without any."""
    try:
        return Runs.of(profile)
    except DataError:
        return None


def beside_paper(table: int, profile: Profile, metrics: Sequence[str]) -> pd.DataFrame:
    """Rows of Table 2 or 3 of the seven captioners: what the paper prints, and `ours` in words.

    `ours` has means over seeds, or what to type where no run is stored.
    """
    printed, runs = paper_table(table), runs_on(profile)
    means: dict[tuple[str, str], dict[str, float]] = {}
    if runs is not None:
        rows_of = runs.metrics.groupby(["model", "objective", "metric"], as_index=False)["value"]
        for model, objective, metric, value in rows_of.mean().to_numpy().tolist():
            means.setdefault((model, objective), {})[metric] = value
    rows = {}
    for model, name in MODEL_NAMES.items():
        for objective, suffix in OBJECTIVE_SUFFIX.items():
            row = f"{name}{suffix}"
            if row in printed.index:
                ours = _ours(means, model, objective, metrics, profile.name)
                rows[row] = [*printed.loc[row, list(metrics)], ours]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*metrics, OURS])


def filled(table: pd.DataFrame) -> str:
    """A sentence on `beside_paper`: of how many rows there are runs."""
    there = len(table) - int(table[OURS].str.startswith(NOT_RUN).sum())
    return f"Rows with runs of ours: {there} of {len(table)}."


def _ours(
    means: Mapping[tuple[str, str], Mapping[str, float]],
    model: str,
    objective: str,
    metrics: Sequence[str],
    profile: str,
) -> str:
    found = means.get((model, objective))
    if found is None:
        return f"{NOT_RUN}gegcore run --profile {profile} --model {model} --objective {objective}"
    return ", ".join(f"{name} {number(name, found[name])}" for name in metrics if name in found)


def forecast(report: Mapping[str, Any]) -> pd.DataFrame:
    """Of a dry run: a row a captioner and stage, with its hours.

    Without a GPU, memory is that of the process, which never falls from row to row.
    """
    device = report.get("setting", {}).get("device", "CPU")
    memory = "peak GB" if device != "CPU" else "peak GB of the process so far"
    hours = {key: value for runs in report["hours"]["runs"].values() for key, value in runs.items()}
    rows = [
        {
            "captioner": MODEL_NAMES.get(model, model),
            "stage": OBJECTIVES[stage].label,
            "images per step": found["images per step"],
            "seconds per step": found["seconds per step"],
            memory: found["peak GB"],
            "hours": hours.get(f"{model} {stage}"),
        }
        for model, stages in report["measured"].items()
        for stage, found in stages.items()
    ]
    return pd.DataFrame(rows).set_index(["captioner", "stage"])
