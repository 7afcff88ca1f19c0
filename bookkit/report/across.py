"""Claims that are not about two objectives: rank correlation over captioners, two retrievers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from bookkit.report.evidence import Verdict, plural
from bookkit.report.ledger import Correlation, Retrievers
from bookkit.report.page import interval, number, signed
from bookkit.report.results import Runs
from emoji_scenes.vision.weights import FOLDER
from gegcore.errors import DataError
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES

CERTAIN, FEWEST = 0.05, 5
"""Largest two-sided p-value of a correlation that decides, and fewest captioners."""


def spearman(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Rank correlation, with its exact two-sided p-value over all orders (at most nine values).

    Raises:
        DataError: more values, fewer than two, or all the same.
    """
    ranks = pd.DataFrame({"a": a, "b": b}).rank()
    if not 2 <= len(ranks) <= 9 or (ranks.nunique() < 2).any():
        raise DataError(f"no exact correlation of {len(ranks)} values", "give 2 to 9 different")
    x, y = (ranks[name].to_numpy() - ranks[name].mean() for name in ("a", "b"))
    scale = math.sqrt(float(x @ x) * float(y @ y))
    every = np.array(list(permutations(y))) @ x / scale
    found = float(x @ y) / scale
    return found, float((np.abs(every) >= abs(found) - 1e-9).mean())


def correlation(asked: Correlation, every: Sequence[Runs]) -> tuple[Verdict, str, tuple[()], str]:
    """Over the captioners of the profile that has most of them, each by its mean over seeds."""
    tables = []
    for runs in every:
        rows = runs.metrics.query("objective == @asked.objective")
        wide = rows.pivot_table("value", ["model", "seed"], "metric")
        tables.append((wide.reindex(columns=list(asked.metrics)).dropna(), runs.profile.name))
    table, profile = max(tables, key=lambda found: len(found[0]))
    means, label = table.groupby("model").mean(), OBJECTIVES[asked.objective].label
    seeds = table.groupby("model").size().min() if len(table) else 0
    rests = f"{plural(len(means), 'captioner')} with {plural(int(seeds), 'seed')} each"
    if len(means) < FEWEST:
        return "undecided", f"{rests} after {label}; {FEWEST} captioners are needed", (), ""
    found, p_value = spearman(*(means[name].tolist() for name in asked.metrics))
    verdict: Verdict = "undecided"
    if seeds > 1 and p_value <= CERTAIN:
        verdict = "holds" if found > 0 else "fails"
    reason = f"exact permutation p = {p_value:.3f}; two seeds and p of {CERTAIN} at most decide"
    measured = f"Spearman's correlation of {' and '.join(asked.metrics)} after {label}: "
    return verdict, reason, (), f"{measured}{found:+.2f}; {rests}; profile {profile}"


def retrievers(asked: Retrievers) -> tuple[Verdict, str, tuple[()], str]:
    """By what validation said when the weights were made; each on scenes of its own, so unpaired.

    The interval takes the captions of a scene for one: it is too wide rather than too narrow.
    """
    recall, variance = [], 0.0
    for name in (asked.of, asked.over):
        path = FOLDER / f"{name}.json"
        said: dict[str, Any] = read_json(path)["validation"] if path.is_file() else {}
        # Of annotators, whatever they are called; not of alt-texts.
        texts = [value for key, value in said.items() if key.split()[0] in _ANNOTATORS]
        if not texts:
            return "undecided", f"no recall of annotators' captions is stored with {name}", (), ""
        share = texts[0]["R@1"] / 100
        recall.append(100 * share)
        variance += 1e4 * share * (1 - share) / said["scenes"]
    change, half = recall[0] - recall[1], 1.96 * math.sqrt(variance)
    verdict: Verdict = "undecided"
    if abs(change) > half:
        verdict = "holds" if change > 0 else "fails"
    ends = interval("R@1", change - half, change + half)
    of, over = (number("R@1", value) for value in recall)
    measured = f"R@1 of annotators' captions: {asked.of} {of}, {asked.over} {over}; "
    measured += f"{signed('R@1', change)} {ends}; {said['scenes']:,} scenes each"
    return verdict, "by the validation that is stored with the weights", (), measured


_ANNOTATORS = ("human", "annotator", "annotators", "annotators'", "simulated", "reference")
