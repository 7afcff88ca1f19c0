"""Figures of results: the frontier of language and distinctiveness, paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bookkit.report.page import Html, signed
from bookkit.report.paper import MODEL_NAMES, PaperRow, model_rows
from bookkit.report.results import Finished, Results, common_seeds
from bookkit.report.style import FAINT, INK, Panel, colour, legend_below, marker, panel, panels
from gegcore.metrics.uncertainty import Difference, paired_difference
from gegcore.training.config import OBJECTIVES

_GROUPS = (
    ("Language", "points", ("CIDEr", "ROUGE-L")),
    ("Retrieval", "percentage points", ("R@1", "R@5", "R@10")),
    ("Gap", "cosine", ("GEG-Avg", "GEG-Min")),
)

_FLAT = (3.9, 2.3)


def frontier(results: Results, model: str) -> Html:
    """CIDEr against R@1: ours with intervals and single seeds, the paper's on its own axes."""
    parts = [_own_frontier(results.of_model(model), results.profile.name)]
    rows = model_rows(model)
    caption = "Up: easier to tell apart. Right: closer to what people say. Crosses: 95 % intervals "
    caption += "over test images; small marks: single seeds."
    if rows:
        labels = {entry.objective: entry.label for entry in results}
        parts.append(_paper_frontier(rows, MODEL_NAMES[model], labels))
        caption += " The two panels have scales of their own: another corpus, another CLIP."
    return panels(parts, caption)


def differences(results: Results, model: str, of: str = "scst_geg", over: str = "scst") -> Html:
    """What one objective changes against another, metric by metric, with paired intervals.

    The images are the same on both sides, and so are the seeds: only these are compared.
    """
    a, b = results.find(model, of), results.find(model, over)
    pair = common_seeds(a, b) if a is not None and b is not None else None
    if a is None or b is None or pair is None:
        return Html(f"<p>There is nothing to compare yet: {of} or {over} is not finished.</p>")
    parts = []
    for title, unit, names in _GROUPS:
        found = {
            name: paired_difference(pair[0][name], pair[1][name], resamples=a.resamples)
            for name in names
        }
        parts.append(_whiskers(title, unit, found, of))
    seeds = "mean over the seeds that both have" if len(a.seeds) > 1 else "one seed"
    return panels(
        parts,
        f"{a.label} minus {b.label} on the same test images, {seeds}. Dots: differences; lines: "
        "95 % paired bootstrap intervals. An interval that spares the zero line is a difference "
        f"that other test images would show, too.{_longer(results, of, over)}",
    )


def _longer(results: Results, of: str, over: str) -> str:
    """A warning where one objective trains on from the other's checkpoint."""
    config = results.profile.objective(of)
    if config.start_from != over:
        return ""
    count = f"{config.epochs} epoch{'s' if config.epochs > 1 else ''}"
    return (
        f" {config.label or of} trains on from the other for {count} at most: part of a difference "
        "can come from longer training, for which the paper's control is +SCST++."
    )


def _own_frontier(entries: Sequence[Finished], profile: str) -> Panel:
    with panel(f"Here (profile {profile})", "CIDEr", "R@1 (%)") as (figure, axes):
        points = {}
        for entry in entries:
            x, y = entry.estimates["CIDEr"], entry.estimates["R@1"]
            tint = colour(entry.objective)
            axes.plot([x.low, x.high], [y.value, y.value], color=tint, linewidth=1.4)
            axes.plot([x.value, x.value], [y.low, y.high], color=tint, linewidth=1.4)
            if len(entry.seeds) > 1:
                seeds = entry.seed_values("CIDEr"), entry.seed_values("R@1")
                axes.plot(*seeds, marker(entry.objective), color=tint, markersize=3, alpha=0.55)
            axes.plot(
                x.value, y.value, marker(entry.objective), color=tint, markersize=8,
                label=entry.label, markeredgecolor="white",
            )  # fmt: skip
            points[entry.objective] = (x.value, y.value)
        _paths(axes, points)
        axes.margins(0.12)
        legend_below(axes)
    labels = {entry.objective: entry.label for entry in entries}
    return Panel(figure, f"R@1 against CIDEr, our runs. {_said(points, labels)}.")


def _paper_frontier(rows: dict[str, PaperRow], model: str, labels: dict[str, str]) -> Panel:
    with panel(f"Paper, Table 2 ({model})", "CIDEr", "R@1 (%)") as (figure, axes):
        points = {}
        labels = {objective: labels.get(objective, row.name) for objective, row in rows.items()}
        for objective, row in rows.items():
            x, y = row.values["CIDEr"], row.values["R@1"]
            label = labels[objective]
            axes.plot(
                x, y, marker(objective), color=colour(objective), markersize=8, label=label,
                markeredgecolor="white",
            )  # fmt: skip
            points[objective] = (x, y)
        _paths(axes, points)
        axes.margins(0.15)
        legend_below(axes)
    return Panel(figure, f"R@1 against CIDEr, the paper's {model}. {_said(points, labels)}.")


def _said(points: dict[str, tuple[float, float]], labels: dict[str, str]) -> str:
    each = (f"{labels[name]}: CIDEr {x:.1f}, R@1 {y:.1f}" for name, (x, y) in points.items())
    return "; ".join(each)


def _paths(axes: Axes, points: dict[str, tuple[float, float]]) -> None:
    """The order of training: a line to each objective from the one that it starts from."""
    for objective, point in points.items():
        start = points.get(OBJECTIVES[objective].start_from or "")
        if start is not None:
            axes.plot(*np.array([start, point]).T, color=FAINT, linewidth=1.2, zorder=0)


def _whiskers(title: str, unit: str, found: dict[str, Difference], objective: str) -> Panel:
    with panel(title, f"difference ({unit})", "", inches=_FLAT) as (figure, axes):
        for line, (name, change) in enumerate(found.items()):
            axes.plot([change.low, change.high], [line, line], color=colour(objective))
            axes.plot(change.value, line, marker(objective), color=colour(objective), markersize=7)
            axes.annotate(
                signed(name, change.value), (change.value, line), (0, 8),
                textcoords="offset points", ha="center", fontsize=8.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(found)), list(found))
        axes.set_ylim(len(found) - 0.5, -0.75)
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.12)
    said = "; ".join(
        f"{name} {signed(name, change.value)} "
        f"({signed(name, change.low)} to {signed(name, change.high)})"
        for name, change in found.items()
    )
    return Panel(figure, f"Differences in {title.lower()} metrics with 95 % intervals: {said}.")
