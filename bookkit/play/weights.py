"""Stored runs that differ in beta or in K alone, as the stops of a slider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from bookkit.play.said import Listed, Stage, weights_of
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import Runs
from bookkit.report.stored import STORED
from bookkit.report.sweeps import Sweep, read_sweeps
from gegcore.training.config import OBJECTIVES

_METRICS = ("CIDEr", "R@1")
_BESIDE = ("scst", "scst_pp")
"""What the moving point is shown with: where it starts, and what CIDEr alone makes of it."""

_OBJECTIVE = "scst_geg"


def all_series(every: Sequence[Listed]) -> list[dict[str, Any]]:
    """Tested runs of each profile, captioner and objective; then sweeps, which were validated.

    `of`: "beta" or "K"; `where`: "test", or "validation"; `profile`, `model`, `name`, `objective`,
    `label`, `seeds`; `stops`: value, CIDEr and R@1, means over the seeds, and the `run`, as it is
    named in the index (none of a sweep); `beside`: other points, with a label.
    """
    return [one for listed in every for one in (*_tested(*listed), *_swept(listed.runs))]


def commands(runs: Runs) -> dict[str, str]:
    """What makes another stop of the slider for beta, and of that for K."""
    profile, model = runs.profile.name, runs.models[0]
    about = {"profile": profile, "model": model, "objective": _OBJECTIVE}
    notebook = " ".join(f"-p {name} {value}" for name, value in about.items())
    options = " ".join(f"--{name} {value}" for name, value in about.items())
    return {
        "beta": f"gegcore run {options} --set rewards.geg_avg=2",
        "K": f"python -m bookkit.batch notebooks/03_train.ipynb k3.ipynb {notebook} -p K 3",
    }


def _tested(runs: Runs, stages: Sequence[Stage]) -> Iterator[dict[str, Any]]:
    for model, objective in dict.fromkeys((s.model, s.objective) for s in stages):
        of_model = [stage for stage in stages if stage.model == model]
        for of in ("beta", "K"):
            own = [s for s in of_model if s.objective == objective and {*s.changed} <= {of}]
            if any(stage.changed for stage in own):
                yield _series(runs, of, own, of_model)


def _series(runs: Runs, of: str, own: Sequence[Stage], of_model: Sequence[Stage]) -> dict[str, Any]:
    """Means are over the seeds that every stop has; with none, over those that each has."""
    values = {stage.run: weights_of(stage.run)[of] for stage in own}
    by_stop = {v: {s.seed for s in own if values[s.run] == v} for v in values.values()}
    seeds = set.intersection(*by_stop.values())
    shared = [s for s in own if s.seed in seeds] or list(own)
    first = shared[0]
    beside = [
        s
        for s in of_model
        if s.objective in _BESIDE and not s.changed and s.seed in {x.seed for x in shared}
    ]
    stops = _means([{"value": values[s.run], "run": s.name, **_tests(s)} for s in shared], "value")
    return {
        **{"of": of, "where": "test", "profile": runs.profile.name, "model": first.model},
        **{"name": MODEL_NAMES.get(first.model, first.model), "objective": first.objective},
        **{"label": first.label, "seeds": sorted({stage.seed for stage in shared})},
        "stops": stops,
        "beside": _means([{"label": s.label, "run": s.name, **_tests(s)} for s in beside], "label"),
    }


def _tests(stage: Stage) -> dict[str, float]:
    metrics = stage.run.metrics()
    return {name: metrics[name]["value"] for name in _METRICS}


def _means(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Of the rows of a stop: means of the metrics; of the rest, which are the same, the first."""
    if not rows:
        return []
    of_stop = pd.DataFrame(rows).groupby(by, sort=by == "value")
    kinds = {name: "mean" if name in _METRICS else "first" for name in rows[0] if name != by}
    found = of_stop.agg(kinds).reset_index().to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in found]


def _swept(runs: Runs) -> Iterator[dict[str, Any]]:
    """Sweeps of the weight of a gap that are stored of the profile."""
    for (objective, field), sweep in read_sweeps(runs.profile, STORED).items():
        if field.startswith("rewards.geg_"):
            yield from _of_sweep(sweep, runs.profile.name, objective)


def _of_sweep(sweep: Sweep, profile: str, objective: str) -> Iterator[dict[str, Any]]:
    """After the last epoch, whichever was kept; beside it the model that all start from."""
    last, validation = sweep.last, sweep.validation
    for model in last.index.unique("model"):
        of_model = validation[validation["model"] == model]
        start = of_model[of_model["epoch"] == 0]
        stops = [
            {"value": float(value), "CIDEr": float(row["CIDEr-D"]), "R@1": float(row["R@1"])}
            for value, row in last.loc[model].sort_index().iterrows()
        ]
        before = {"CIDEr": float(start["CIDEr-D"].mean()), "R@1": float(start["R@1"].mean())}
        yield {
            **{"of": "beta", "where": "validation", "profile": profile, "model": model},
            **{"name": MODEL_NAMES.get(model, model), "objective": objective},
            "label": OBJECTIVES[objective].label if objective in OBJECTIVES else objective,
            "seeds": sorted(map(int, of_model["seed"].unique())),
            "stops": stops,
            "beside": [{"label": "where all start", **before}],
        }
