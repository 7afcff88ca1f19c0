"""How a setting was chosen: what validation said at every value that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gegcore.profiles import Profile
from gegcore.report.frontpage import short
from gegcore.report.page import Html
from gegcore.report.style import BLUE, FAINT, GREEN, INK, Panel, panel, panels
from gegcore.storage import read_json

STORED = Path(__file__).resolve().parents[2] / "results" / "sweeps"


def sweep_figure(profile: Profile, objective: str = "scst_geg", field: str = "beta") -> Html:
    """Validation CIDEr-D and R@1 of the kept epoch at every value of a stored sweep.

    A profile whose sweep is not stored gets the sentence that says so, and the command that
    makes it: see `gegcore.experiment.sweep`.
    """
    path = STORED / f"{profile.name}-{objective}-{field}.json"
    if not path.is_file():
        command = f"python -m gegcore.experiment.sweep --profile {profile.name} --field {field}"
        return Html(
            f"<p>No sweep of {field} is stored for profile {profile.name}. This makes one: "
            f"<code>{command} --values ...</code></p>"
        )
    found = read_json(path)
    rule = profile.objective(objective).select
    chosen = profile.objective(objective).model_dump()[field]
    entries = sorted(found["entries"], key=lambda entry: float(entry["value"]))
    start = entries[0]["history"][0]
    last = [entry["history"][-1] for entry in entries]
    values = [float(entry["value"]) for entry in entries]
    floor = rule.least_cider_share * start["CIDEr-D"]
    revision = short(found["environment"]["git_revision"])
    parts = [
        _panel("CIDEr-D", field, values, last, start, chosen, floor),
        _panel("R@1", field, values, last, start, chosen, None),
    ]
    return panels(
        parts,
        f"Validation pictures, seed {found['seed']}, after the last epoch; revision {revision}. "
        "Grey line: the run that all of them start from. "
        f"Dashed: {100 * rule.least_cider_share:.0f} % of its CIDEr-D, the floor of the written "
        f"rule. Ring: the {field} of this profile.",
    )


def _panel(
    metric: str,
    field: str,
    values: Sequence[float],
    rows: Sequence[dict[str, Any]],
    start: dict[str, Any],
    chosen: float,
    floor: float | None,
) -> Panel:
    heights = [row[metric] for row in rows]
    tint = BLUE if metric == "CIDEr-D" else GREEN
    with panel(f"Validation {metric}", field, metric) as (figure, axes):
        axes.axhline(start[metric], color=FAINT, zorder=0)
        if floor is not None:
            axes.axhline(floor, color=INK, linewidth=1, linestyle="--", zorder=0)
        axes.plot(values, heights, "o-", color=tint)
        if chosen in values:
            height = heights[values.index(chosen)]
            axes.plot(chosen, height, "o", markersize=12, fillstyle="none", color=INK)
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
        axes.margins(0.1, 0.15)
    said = "; ".join(f"{field} {x:g}: {y:.1f}" for x, y in zip(values, heights, strict=True))
    return Panel(figure, f"{metric} on validation. Start: {start[metric]:.1f}; {said}.")
