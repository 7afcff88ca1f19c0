"""Claims that are not about two objectives: rank correlation over captioners, two retrievers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from bookkit.report.annotators import annotators
from bookkit.report.evidence import Verdict, plural
from bookkit.report.ledger import Correlation, Retrievers
from bookkit.report.page import interval, number, signed
from bookkit.report.results import Runs
from gegcore.errors import DataError
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
    if (means.nunique() < 2).any():
        return "undecided", f"{rests} after {label}; all score the same", (), ""
    found, p_value = spearman(*(means[name].tolist() for name in asked.metrics))
    verdict: Verdict = "undecided"
    if seeds > 1 and p_value <= CERTAIN:
        verdict = "holds" if found > 0 else "fails"
    reason = f"exact permutation p = {p_value:.3f}; two seeds and p of {CERTAIN} at most decide"
    measured = f"Spearman's correlation of {' and '.join(asked.metrics)} after {label}: "
    return verdict, reason, (), f"{measured}{found:+.2f}; {rests}; profile {profile}"


def retrievers(asked: Retrievers, every: Sequence[Runs]) -> tuple[Verdict, str, tuple[()], str]:
    """By the scores of annotators' captions that are stored of one of the profiles.

    The interval takes both sides for independent: it is too wide rather than too narrow.
    """
    for runs in every:
        scores = annotators(runs.profile)
        sides = [scores[name] for name in ("R@1", f"R@1 {asked.judge}") if name in scores]
        if len(sides) == 2:
            break
    else:
        return "undecided", "no scores of annotators' captions are stored", (), ""
    of, over = (float(side["value"]) for side in sides)
    half = math.hypot(*((side["ci95"][1] - side["ci95"][0]) / 2 for side in sides))
    verdict: Verdict = "undecided"
    if abs(of - over) > half:
        verdict = "holds" if of > over else "fails"
    ends = interval("R@1", of - over - half, of - over + half)
    shown = f"CLIP {number('R@1', of)}, {asked.judge} {number('R@1', over)}"
    measured = f"R@1 of annotators' captions: {shown}; {signed('R@1', of - over)} {ends}; "
    measured += f"{sides[0]['n']:,} images; profile {runs.profile.name}"
    return verdict, "each caption among those of all test images", (), measured
