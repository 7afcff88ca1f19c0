"""Every metric of stored runs: one a line, in families, with intervals and signatures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bookkit.report.frontpage import short
from bookkit.report.judges import JUDGES
from bookkit.report.page import Cell, Html, Row, interval, number, table
from bookkit.report.paper import MODEL_NAMES
from gegcore.errors import DataError
from gegcore.metrics.presentation import families_of, label
from gegcore.models import ARCHITECTURES
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES

JUDGED = ("R@1", *(f"R@1 {judge}" for judge in JUDGES.values()), "listener R@1", "fact precision")
"""By the CLIP of the reward, by each judge, by the oracle; and whether it is true."""


def every_metric_table(folder: Path, model: str, objectives: Sequence[str], seed: int = 1) -> Html:
    """All metrics of some objectives of a captioner, with 95 % intervals.

    Args:
        folder: `results/<profile>`, as `gegcore archive` makes it. Objectives without a stored
            run are left out.

    Raises:
        DataError: there is no such captioner or objective.
    """
    stored = _stored(folder, model, objectives, seed)
    if not stored:
        return Html(f"<p>No results of {model} are stored in results/{folder.name}.</p>")
    metrics = {name: run["metrics"] for name, run in stored.items()}
    names = list(dict.fromkeys(name for found in metrics.values() for name in found))
    missing = {n: why for run in stored.values() for n, why in run.get("missing", {}).items()}
    rows = []
    for heading, members in families_of([*names, *(n for n in missing if n not in names)]).items():
        rows.append(Row(heading))
        for name in members:
            rows.append(Row(label(name), [_cell(name, found) for found in metrics.values()]))
    revisions = ", ".join(sorted({short(str(run["revision"])) for run in stored.values()}))
    absent = " ".join(f"{name}: not available here, {why}." for name, why in missing.items())
    return table(
        [OBJECTIVES[objective].label for objective in stored],
        rows,
        f"Profile {folder.name}, seed {seed}, evaluated at revision {revisions}, "
        f"{metrics[next(iter(metrics))]['CIDEr']['n']:,} test images; 95 % bootstrap intervals in "
        "brackets. An arrow: lower is better. GEG raw, vocabulary, facts and length as they are, "
        f"all others times 100. {absent}".rstrip(),
        corner="Metric",
    )


def judged_table(folder: Path, objectives: Sequence[str], seed: int = 1) -> Html:
    """What every judge says of some objectives of all captioners.

    Args:
        folder: `results/<profile>`; captioners without a stored run are left out.
    """
    rows, revisions = [], set()
    for model in ARCHITECTURES:
        stored = _stored(folder, model, objectives, seed)
        if stored:
            rows.append(Row(MODEL_NAMES[model]))
        for objective, run in stored.items():
            cells = [_cell(name, run["metrics"]) for name in JUDGED]
            rows.append(Row(OBJECTIVES[objective].label, cells))
            revisions.add(short(str(run["revision"])))
    if not rows:
        return Html(f"<p>No results are stored in results/{folder.name}.</p>")
    return table(
        JUDGED,
        rows,
        f"Profile {folder.name}, seed {seed}, evaluated at revision "
        f"{', '.join(sorted(revisions))}; 95 % bootstrap intervals over test images in brackets.",
        corner="Objective",
    )


def signature_list(folder: Path, model: str, objective: str, seed: int = 1) -> Html:
    """Which programs, versions, weights and options the scores of a run come from, folded in."""
    stored = _stored(folder, model, [objective], seed)
    if not stored:
        return Html("")
    lines = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(_plain(value))}</dd>"
        for name, value in stored[objective]["signature"].items()
    )
    return Html(f"<details><summary>Signatures of these scores</summary><dl>{lines}</dl></details>")


def _stored(
    folder: Path, model: str, objectives: Sequence[str], seed: int
) -> dict[str, dict[str, Any]]:
    """Objective -> its `metrics.json`, and the revision that evaluated it."""
    if model not in ARCHITECTURES:
        raise DataError(f"there is no model {model!r}", f"use: {', '.join(ARCHITECTURES)}")
    if unknown := [objective for objective in objectives if objective not in OBJECTIVES]:
        raise DataError(f"there is no objective {unknown[0]!r}", f"use: {', '.join(OBJECTIVES)}")
    found = {}
    for objective in objectives:
        run = folder / f"{model}-{objective}-seed{seed}"
        if (run / "metrics.json").is_file():
            revision = read_json(run / "provenance.json")["evaluated"]["git_revision"]
            found[objective] = {**read_json(run / "metrics.json"), "revision": revision}
    return found


def _cell(name: str, metrics: Mapping[str, Any]) -> Cell:
    if name not in metrics:
        return Cell("n/a")
    return Cell(number(name, metrics[name]["value"]), interval(name, *metrics[name]["ci95"]))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items())
    return str(value)
