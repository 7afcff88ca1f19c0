"""Figures of training: learning curves on the validation split, health of a policy gradient."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import pandas as pd
import yaml
from matplotlib.ticker import MaxNLocator

from bookkit.report.page import Html
from bookkit.report.style import FAINT, INK, Panel, colour, legend_below, marker, panel, panels
from gegcore.runs import RunFolder
from gegcore.storage import read_json
from gegcore.training.config import ObjectiveConfig
from gegcore.training.guards import first_findings, rules

_CURVES = {
    "CIDEr-D": "CIDEr-D \N{MULTIPLICATION SIGN} 100",
    "R@1": "R@1 (%)",
    "GEG-Avg": "GEG-Avg (cosine)",
    "length": "words per caption",
}


_PARTS = {
    "cider": ("CIDEr-D of samples", "CIDEr-D"),
    "geg_avg": ("GEG-Avg of samples", "cosine"),
    "geg_min": ("GEG-Min of samples", "cosine"),
    "similarity": ("CLIP similarity of samples", "cosine"),
}

_SHARE = "share of samples (%)"

_ENDS = {  # column: name in the legend, dashes
    "bad_endings": ("in mid-phrase", "-"),
    "unfinished": ("cut off", "--"),
    "empty": ("no words", ":"),
}


def learning_curves(run: RunFolder, objective: str) -> Html:
    """Loss over steps and, on the validation split, CIDEr-D, R@1, GEG-Avg and length over epochs.

    Epoch 0 is the model that training starts from; a ring marks the epoch that was kept.

    Raises:
        DataError: training is not finished.
    """
    history, log = run.history(), run.log()
    kept = int(read_json(run.file("training.json"))["best_epoch"])
    parts = [_loss(log, objective)] if len(log) else []  # an imported run was not trained here
    for metric, label in _CURVES.items():
        if metric in history:
            parts.append(_curve(history, metric, label, objective, kept))
    return panels(
        parts,
        "Loss on training batches (thin: as logged, thick: running mean); the rest on the "
        f"validation split after each epoch. The ring is epoch {kept}, whose weights were kept.",
    )


def health_panel(run: RunFolder, objective: str) -> Html:
    """What tells a healthy policy gradient from a collapsing one.

    Reward of samples against that of greedy captions and, where it has several, its parts; share
    of samples with a positive advantage; length, entropy per word, distinct samples of an image,
    and how captions end: all on training batches. What the log lacks is left out.

    Raises:
        DataError: training is not finished.
    """
    log = run.log()
    parts = [_rewards(log, objective), *_reward_parts(log, objective)]
    for metric, title, label in (
        ("positive_advantage", "Better than the baseline", _SHARE),
        ("length", "Length", "words per sample"),
        ("entropy", "Entropy", "nats per word"),
        ("distinct", "Distinct samples of an image", _SHARE),
    ):
        if metric in log:
            # Whole scales: on its own scale the noise of a steady curve looks like a crash.
            values = 100 * log[metric] if label == _SHARE else log[metric]
            top = 100.0 if label == _SHARE else 1.15 * values.max()
            parts.append(_trace(log["step"], values, title, label, objective, (0.0, top)))
    parts += _ends(log, objective)
    healthy = (
        "On training batches (thin: as logged, thick: running mean). Healthy: samples come close "
        "to greedy captions, about half of them beat the baseline, and entropy falls slowly."
    )
    if "distinct" in log:
        healthy += " Samples of an image differ, and hardly any ends in mid-phrase."
    return panels(parts, healthy) + _noticed(run, log)


def is_self_critical(run: RunFolder) -> bool:
    """Whether a run was trained with a reward, so that there is a health panel to show."""
    return "reward" in run.log()


def training_report(run: RunFolder, objective: str) -> Html:
    """Learning curves and, for a run with a reward, the health panel."""
    curves = learning_curves(run, objective)
    return curves + health_panel(run, objective) if is_self_critical(run) else curves


def _loss(log: pd.DataFrame, objective: str) -> Panel:
    title = "Policy-gradient loss" if "reward" in log else "Cross-entropy"
    label = "loss" if "reward" in log else "nats per word"
    return _trace(log["step"], log["loss"], title, label, objective)


def _trace(
    x: pd.Series,
    y: pd.Series,
    title: str,
    label: str,
    objective: str,
    limits: tuple[float, float] | None = None,
) -> Panel:
    with panel(title, "step", label) as (figure, axes):
        axes.plot(x, y, color=colour(objective), alpha=0.3, linewidth=0.9)
        axes.plot(x, _smooth(y), color=colour(objective), marker=_dots(x))
        if limits is not None:
            axes.set_ylim(*limits)
    return Panel(figure, _described(f"{title} ({label})", "step", x, _smooth(y)))


def _rewards(log: pd.DataFrame, objective: str) -> Panel:
    with panel("Reward", "step", "reward") as (figure, axes):
        for name, label, tint, line in (
            ("reward_greedy", "greedy", INK, "--"),
            ("reward", "samples", colour(objective), "-"),
        ):
            axes.plot(log["step"], log[name], color=tint, alpha=0.25, linewidth=0.9)
            smooth = _smooth(log[name])
            axes.plot(
                log["step"], smooth, line, color=tint, label=label, marker=_dots(smooth)
            )  # fmt: skip
        legend_below(axes)
    alt = _described("Reward of sampled captions", "step", log["step"], _smooth(log["reward"]))
    greedy = _smooth(log["reward_greedy"]).iloc[-1]
    return Panel(figure, f"{alt} Greedy captions end at {greedy:.3g}.")


def _reward_parts(log: pd.DataFrame, objective: str) -> list[Panel]:
    """A panel for each part before weighting: their scales differ. None for a single part."""
    names = [str(name).split("/")[1] for name in log if str(name).startswith("reward/")]
    if len(names) < 2:
        return []
    found = []
    for name in names:
        title, label = _PARTS.get(name, (f"Reward: {name}", name))
        found.append(_trace(log["step"], log[f"reward/{name}"], title, label, objective))
    return found


def _ends(log: pd.DataFrame, objective: str) -> list[Panel]:
    """How captions end that should not end so."""
    there = [name for name in _ENDS if name in log]
    if not there:
        return []
    with panel("Captions that end badly", "step", _SHARE) as (figure, axes):
        for name in there:
            smooth, (words, dashes) = _smooth(100 * log[name]), _ENDS[name]
            tint = colour(objective) if name == "bad_endings" else INK
            axes.plot(log["step"], smooth, dashes, color=tint, label=words, marker=_dots(smooth))
        axes.set_ylim(bottom=0, top=max(5.0, axes.get_ylim()[1]))
        legend_below(axes)
    ends = " ".join(f"{_ENDS[n][0]} {100 * log[n].iloc[-1]:.3g} %." for n in there)
    return [Panel(figure, f"Share of samples by step; at the end: {ends}")]


def _noticed(run: RunFolder, log: pd.DataFrame) -> Html:
    """Which guards the run set off, if it says how it was trained."""
    path = run.file("config.yaml")
    if not path.is_file():
        return Html("")
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))["objective"]
    config = ObjectiveConfig(loss=stored["loss"], samples=stored["samples"])
    rows = [{str(name): float(value) for name, value in row.items()} for _, row in log.iterrows()]
    found = first_findings(rows, rules(config))
    items = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in found)
    return Html(f'<ul class="geg-under">{items}</ul>') if items else Html("")


def _curve(history: pd.DataFrame, metric: str, label: str, objective: str, kept: int) -> Panel:
    title = {"CIDEr-D": "Language", "R@1": "Retrieval", "GEG-Avg": "Gap", "length": "Length"}[
        metric
    ]
    with panel(f"{title} (validation)", "epoch", label) as (figure, axes):
        tint = colour(objective)
        axes.plot(history["epoch"], history[metric], marker=marker(objective), color=tint)
        best = history[history["epoch"] == kept]
        axes.plot(
            best["epoch"], best[metric], "o", markersize=13, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=1.3,
        )  # fmt: skip
        axes.axhline(history[metric].iloc[0], color=FAINT, linewidth=1, zorder=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.margins(x=0.08, y=0.15)
    return Panel(
        figure, _described(f"{label} on validation", "epoch", history["epoch"], history[metric])
    )


def _dots(values: pd.Series) -> str:
    """A marker where a line alone would not be seen."""
    return "o" if len(values) < 3 else ""


def _smooth(values: pd.Series) -> pd.Series:
    window = max(1, len(values) // 10)
    return values.rolling(window, min_periods=1, center=True).mean()


def _described(what: str, over: str, x: Sequence[float] | pd.Series, y: pd.Series) -> str:
    """Alternative text: where a curve starts and ends, and its extremes."""
    values, places = np.asarray(y, dtype=float), np.asarray(x)
    return (
        f"{what} by {over}: {values[0]:.3g} at {over} {places[0]}, {values[-1]:.3g} at {over} "
        f"{places[-1]}; lowest {values.min():.3g}, highest {values.max():.3g}."
    )
