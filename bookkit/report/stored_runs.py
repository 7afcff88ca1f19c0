"""Results that the repository keeps, of more runs than the book itself makes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from bookkit.report.frontpage import short
from bookkit.report.page import Cell, Html, Row, interval, number, table
from bookkit.report.paper import MODEL_NAMES, OBJECTIVE_SUFFIX, TABLES, model_rows
from gegcore.errors import DataError
from gegcore.models import ARCHITECTURES
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES

_OF_MODELS = ("CIDEr", "METEOR", "R@1", "GEG-Avg")
_OF_OBJECTIVES = ("CIDEr", "R@1", "R@5", "GEG-Avg")
_OF_PAPER = ("CIDEr", "R@1")


def stored_table(folder: Path, objective: str = "mle", seed: int = 1) -> Html:
    """One objective of all captioners: stored results beside the paper's Table 2.

    Args:
        folder: `results/<profile>`, as `gegcore archive` makes it. Models without a stored run
            are left out.
    """
    stored = _stored(folder, ((model, objective) for model in ARCHITECTURES), seed)
    rows = [
        Row(MODEL_NAMES[model], _cells(run, _OF_MODELS, model_rows(model)[objective].values))
        for (model, _), run in stored.items()
    ]
    return _table(folder, stored.values(), rows, _OF_MODELS, "Table 2", seed, "model")


def objectives_table(folder: Path, model: str, seed: int = 1) -> Html:
    """All objectives of one captioner: stored results beside the paper's Table 3.

    Args:
        folder: `results/<profile>`. Objectives without a stored run are left out.

    Raises:
        DataError: there is no such captioner.

    Source: paper Sec. 4.4, Table 3; the row of imitation (MLE) is from Table 2.
    """
    if model not in ARCHITECTURES:
        raise DataError(f"there is no model {model!r}", f"use: {', '.join(ARCHITECTURES)}")
    stored = _stored(folder, ((model, objective) for objective in OBJECTIVES), seed)
    rows = [
        Row(OBJECTIVES[objective].label, _cells(run, _OF_OBJECTIVES, _ablation(model, objective)))
        for (_, objective), run in stored.items()
    ]
    source = "Tables 2 and 3"
    return _table(folder, stored.values(), rows, _OF_OBJECTIVES, source, seed, "objective")


def _ablation(model: str, objective: str) -> dict[str, float]:
    """The paper's values of a row of its ablation; none where it has no such row."""
    name = f"{MODEL_NAMES[model]}{OBJECTIVE_SUFFIX.get(objective, '?')}"
    row = TABLES[3].get(name) or TABLES[2].get(name)
    return row.values if row else {}


def _stored(
    folder: Path, runs: Iterable[tuple[str, str]], seed: int
) -> dict[tuple[str, str], Path]:
    """Those of the runs (model, objective) that are stored."""
    paths = {
        (model, objective): folder / f"{model}-{objective}-seed{seed}" for model, objective in runs
    }
    return {names: run for names, run in paths.items() if (run / "metrics.json").is_file()}


def _table(
    folder: Path,
    runs: Collection[Path],
    rows: list[Row],
    metrics: tuple[str, ...],
    source: str,
    seed: int,
    corner: str,
) -> Html:
    if not runs:
        return Html(f"<p>No results are stored in results/{folder.name}.</p>")
    records = [read_json(run / "provenance.json")["trained"] for run in runs]
    revisions = ", ".join(sorted({short(str(record["git_revision"])) for record in records}))
    return table(
        (*metrics, *(f"paper {metric}" for metric in _OF_PAPER)),
        rows,
        f"Profile {folder.name}, seed {seed}, revision {revisions}; 95 % bootstrap intervals over "
        f"test images in brackets. Paper: {source}, photographs. Compare orders, not levels.",
        corner=corner,
    )


def _cells(run: Path, names: tuple[str, ...], paper: dict[str, float]) -> list[Cell]:
    metrics: dict[str, Any] = read_json(run / "metrics.json")["metrics"]
    ours = [
        Cell(number(name, metrics[name]["value"]), interval(name, *metrics[name]["ci95"]))
        for name in names
    ]
    return [*ours, *(Cell(number(name, paper.get(name))) for name in _OF_PAPER)]
