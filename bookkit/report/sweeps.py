"""How a setting was chosen: what validation said at every value that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from bookkit.report.frontpage import short
from bookkit.report.page import Html
from bookkit.report.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    Panel,
    legend_below,
    panel,
    panels,
)
from gegcore.profiles import Profile
from gegcore.storage import read_json

STORED = Path(__file__).resolve().parents[2] / "results" / "sweeps"

_LINES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "D", "-."), (INK, "^", ":"))


def sweep_figure(profile: Profile, objective: str = "scst_geg", field: str = "beta") -> Html:
    """What a stored sweep found.

    Numbers: validation CIDEr-D and R@1 after the last epoch, over the values. Names, such as
    those of the baselines: the same by epoch, a line for each, and how many samples were better
    than the baseline in training.

    A profile whose sweep is not stored gets the sentence that says so, and the command that
    makes it: see `bookkit.sweep`.
    """
    path = STORED / f"{profile.name}-{objective}-{field}.json"
    if not path.is_file():
        command = f"python -m bookkit.sweep --profile {profile.name} "
        command += f"--objective {objective} --field {field} --values ..."
        return Html(
            f"<p>No sweep of {field} is stored for profile {profile.name}. This makes one: "
            f"<code>{command}</code></p>"
        )
    found = read_json(path)
    config = profile.objective(objective, found["model"])
    chosen = config.model_dump()[field]
    revision = short(found["environment"]["git_revision"])
    about = f"seed {found['seed']}, revision {revision}"
    if not all(_is_number(entry["value"]) for entry in found["entries"]):
        return _by_name(found["entries"], chosen, about)
    return _by_value(found["entries"], field, chosen, config.select.least_cider_share, about)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _by_value(
    entries: Sequence[dict[str, Any]], field: str, chosen: float, share: float, about: str
) -> Html:
    entries = sorted(entries, key=lambda entry: float(entry["value"]))
    start = entries[0]["history"][0]
    last = [entry["history"][-1] for entry in entries]
    values = [float(entry["value"]) for entry in entries]
    floor = share * start["CIDEr-D"] if share else None
    dashed = f"Dashed: {100 * share:.0f} % of its CIDEr-D, the floor of the written rule. "
    parts = [
        _values_panel("CIDEr-D", field, values, last, start, chosen, floor),
        _values_panel("R@1", field, values, last, start, chosen, None),
    ]
    return panels(
        parts,
        f"Validation pictures after the last epoch; {about}. Grey line: the run that all of them "
        f"start from. {dashed if share else ''}Ring: the {field} of this profile.",
    )


def _values_panel(
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


def _by_name(entries: Sequence[dict[str, Any]], chosen: object, about: str) -> Html:
    validated = {_name(entry["value"], chosen): entry["history"] for entry in entries}
    trained = {_name(entry["value"], chosen): entry["training"] for entry in entries}
    parts = [
        _epochs_panel("Validation CIDEr-D", "CIDEr-D", "CIDEr-D", validated),
        _epochs_panel("Validation R@1", "R@1", "R@1", validated),
    ]
    if all(rows and "positive_advantage" in rows[0] for rows in trained.values()):
        title, label = "Better than the baseline", "share of samples (%)"
        parts.append(_epochs_panel(title, label, "positive_advantage", trained, scale=100))
    return panels(
        parts,
        f"Validation pictures after each epoch, epoch 0 is the run that all of them start from; "
        f"samples on training pictures, mean of each epoch; {about}.",
    )


def _name(value: object, chosen: object) -> str:
    name = str(value).replace("_", " ")
    return f"{name} (this profile)" if value == chosen else name


def _epochs_panel(
    title: str,
    label: str,
    metric: str,
    lines: Mapping[str, Sequence[dict[str, Any]]],
    scale: float = 1.0,
) -> Panel:
    said = []
    with panel(title, "epoch", label) as (figure, axes):
        for (name, rows), (tint, mark, line) in zip(lines.items(), _cycle(len(lines)), strict=True):
            heights = [scale * row[metric] for row in rows]
            axes.plot(
                [row["epoch"] for row in rows], heights, line, marker=mark, color=tint, label=name
            )
            said.append(f"{name}: {', '.join(f'{height:.1f}' for height in heights)}")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.margins(0.08, 0.15)
        legend_below(axes, columns=1)
    return Panel(figure, f"{title} by epoch. {'; '.join(said)}.")


def _cycle(count: int) -> list[tuple[str, str, str]]:
    return [_LINES[index % len(_LINES)] for index in range(count)]
