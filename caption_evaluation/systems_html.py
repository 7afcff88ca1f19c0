"""Several systems as one HTML file that loads nothing: table, figure, captions side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from caption_evaluation.report import visible
from caption_evaluation.systems import SystemsReport
from caption_evaluation.systems_text import notes
from gegcore.metrics.presentation import (
    LOWER,
    LOWER_IS_BETTER,
    families_of,
    interval,
    label,
    number,
)

_UPWARDS = ("R@1", "DisWordRate", "CIDErBtw", "distinct-2")
"""What stands for distinctiveness in the figure; the first that there is."""

_WIDTH, _HEIGHT, _MARGIN = 640, 380, 56
_LETTER, _LINE = 7.5, 15.0  # of names, in the units of the drawing


def systems_as_html(report: SystemsReport) -> str:
    """A page that fits a phone and a desktop, in light and dark."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    scores = report.scores.set_index(["system", "metric"])
    known = report.scores["metric"].unique().tolist()
    return environment.get_template("systems.html.j2").render(
        report=report,
        families=families_of(known),
        columns=[metric for each in families_of(known).values() for metric in each],
        order=_by_cider(report),
        cells=_cells(scores),
        label=label,
        legend=notes(report),
        figure=_figure(report),
        captions=_captions(report),
        LOWER=LOWER,
    )


def _by_cider(report: SystemsReport) -> list[str]:
    """Systems, best CIDEr first."""
    scores = report.scores[report.scores["metric"] == "CIDEr"]
    ranked = list(scores.sort_values("rank", kind="stable")["system"])
    return ranked or list(report.evaluations)


def _cells(scores: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        place: {
            "value": number(place[1], row.value),
            "interval": interval(place[1], row.low, row.high),
            "rank": int(row.rank),
            "sort": row.value,
        }
        for place, row in zip(scores.index, scores.itertuples(), strict=True)
    }


def _figure(report: SystemsReport) -> dict[str, Any] | None:
    """Places of systems in a drawing: right is higher CIDEr, up is more distinctive."""
    table = report.scores.pivot(index="system", columns="metric", values="value")
    upwards = next((name for name in _UPWARDS if name in table), None)
    if upwards is None or "CIDEr" not in table or table[["CIDEr", upwards]].isna().any(axis=None):
        return None
    turned = upwards in LOWER_IS_BETTER
    x, y = table["CIDEr"].to_numpy(), table[upwards].to_numpy()
    places = zip(
        table.index,
        _scaled(x, _MARGIN, _WIDTH - _MARGIN, False),
        _scaled(y, _HEIGHT - _MARGIN, _MARGIN / 2, turned),
        strict=True,
    )
    points = [{"name": name, "x": round(a, 1), "y": round(b, 1)} for name, a, b in places]
    _place_names(points)
    return {
        "points": points,
        "x": "CIDEr",
        "y": label(upwards),
        "low": [number("CIDEr", x.min()), number(upwards, y.max() if turned else y.min())],
        "high": [number("CIDEr", x.max()), number(upwards, y.min() if turned else y.max())],
        "width": _WIDTH,
        "height": _HEIGHT,
        "margin": _MARGIN,
    }


def _place_names(points: list[dict[str, Any]]) -> None:
    """Where each name stands, beside its dot, lower where another name is there already."""
    placed: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: (point["y"], point["x"])):
        width, left = _LETTER * len(point["name"]), point["x"] > 0.7 * _WIDTH
        start = point["x"] - 8 - width if left else point["x"] + 8
        line = point["y"] - 7
        while any(
            start < end and begin < start + width and abs(line - other) < _LINE
            for begin, end, other in placed
        ):
            line += _LINE
        placed.append((start, start + width, line))
        point |= {"at": round(start + width if left else start, 1), "line": round(line, 1)}
        point["anchor"] = "end" if left else "start"


def _scaled(values: np.ndarray, low: float, high: float, turned: bool) -> np.ndarray:
    """Values between two places; turned: the smallest at the high one."""
    span = np.ptp(values) or 1.0
    share = (values - values.min()) / span
    return low + (high - low) * (1 - share if turned else share)


def _captions(report: SystemsReport) -> str:
    """Image, and of each system its caption and CIDEr: JSON that no text can end too early."""
    names = list(report.evaluations)
    tables = [report.evaluations[name].per_caption for name in names]
    images = [str(image) for image in tables[0]["image_id"]]
    said = [[visible(str(text)) for text in table["caption"]] for table in tables]
    cider = [
        [round(float(value), 1) for value in table["CIDEr"]] if "CIDEr" in table else []
        for table in tables
    ]
    found = {"systems": names, "images": images, "captions": said, "cider": cider}
    text = json.dumps(found, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")
