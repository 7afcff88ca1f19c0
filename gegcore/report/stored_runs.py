"""Results that the repository keeps, of more runs than the book itself makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gegcore.models import ARCHITECTURES
from gegcore.report.frontpage import short
from gegcore.report.page import Cell, Html, Row, interval, number, table
from gegcore.report.paper import MODEL_NAMES, model_rows
from gegcore.storage import read_json

_METRICS = ("CIDEr", "METEOR", "R@1", "GEG-Avg")
_OF_PAPER = ("CIDEr", "R@1")


def stored_table(folder: Path, objective: str = "mle", seed: int = 1) -> Html:
    """One objective of all captioners: stored results beside the paper's Table 2.

    Args:
        folder: `results/<profile>`, as `gegcore archive` makes it. Models without a stored run
            are left out.
    """
    runs = {name: folder / f"{name}-{objective}-seed{seed}" for name in ARCHITECTURES}
    stored = {name: run for name, run in runs.items() if (run / "metrics.json").is_file()}
    if not stored:
        return Html(f"<p>No results are stored in results/{folder.name}.</p>")
    columns = (*_METRICS, *(f"paper {metric}" for metric in _OF_PAPER))
    rows = [Row(MODEL_NAMES[name], _cells(name, run, objective)) for name, run in stored.items()]
    records = [read_json(run / "provenance.json")["trained"] for run in stored.values()]
    revisions = ", ".join(sorted({short(str(record["git_revision"])) for record in records}))
    return table(
        columns,
        rows,
        f"Profile {folder.name}, seed {seed}, revision {revisions}; 95 % bootstrap intervals over "
        "test images in brackets. Paper: Table 2, photographs. Compare orders, not levels.",
        corner="model",
    )


def _cells(model: str, run: Path, objective: str) -> list[Cell]:
    metrics: dict[str, Any] = read_json(run / "metrics.json")["metrics"]
    ours = [
        Cell(number(name, metrics[name]["value"]), interval(name, *metrics[name]["ci95"]))
        for name in _METRICS
    ]
    paper = model_rows(model)[objective].values
    return [*ours, *(Cell(number(name, paper[name])) for name in _OF_PAPER)]
