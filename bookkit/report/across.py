"""Claims of other kinds: rank correlation over captioners, two retrievers, the last epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from bookkit.report.annotators import annotators
from bookkit.report.evidence import Verdict, enough, plural
from bookkit.report.ledger import ARROW, Correlation, LastEpoch, Retrievers
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
    reason = f"exact permutation p = {p_value:.3f}; two seeds and p of at most {CERTAIN} decide"
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
    reason = "one trained model of each, VSE++ from annotators' captions alone"
    return verdict, reason, (), measured


def last_epoch(asked: LastEpoch, every: Sequence[Runs]) -> tuple[Verdict, str, tuple[()], str]:
    """Of the profile that has most seeds of both: a captioner agrees if each of its seeds does."""
    tables = [(_ends(asked, runs), runs.profile.name) for runs in every]
    table, profile = max(tables, key=lambda found: len(found[0]))
    if table.empty:
        names = (OBJECTIVES[name].label for name in (asked.of, asked.over))
        return "undecided", f"no runs of {' and '.join(names)}", (), ""
    shares, limit = table["of"] / table["over"], f"{100 * asked.share:.0f} %"
    below, above = (
        by.groupby("model").all() for by in (shares <= asked.share, shares > asked.share)
    )
    count, seeds = len(below), int(table.groupby("model").size().min())
    verdict: Verdict = "undecided"
    if seeds > 1 and below.sum() >= enough(count):
        verdict = "holds"
    elif seeds > 1 and count - above.sum() < enough(count):
        verdict = "fails"
    reason = f"{below.sum()} of {plural(count, 'captioner')} at most {limit} with every seed; "
    reason += f"{enough(count)} must be, with two seeds at least"
    of, over = (number("CIDEr-D", table[side].mean()) for side in ("of", "over"))
    labels = [OBJECTIVES[name].label for name in (asked.over, asked.of)]
    rests = f"{plural(count, 'captioner')}, {plural(seeds, 'seed')} each; profile {profile}"
    measured = f"CIDEr-D on validation, last epoch: {labels[0]} {over} {ARROW} {labels[1]} {of}; "
    return verdict, reason, (), f"{measured}{_ends_of(shares)}; {rests}"


def _ends(asked: LastEpoch, runs: Runs) -> pd.DataFrame:
    """CIDEr-D after the last epoch of both, for each captioner and seed that has both."""
    sides = {}
    for side, name in (("of", asked.of), ("over", asked.over)):
        found = runs.of_objective(name).items()
        sides[side] = {(m, seed): run.history()["CIDEr-D"].iloc[-1] for (m, _, seed), run in found}
    both = sorted(sides["of"].keys() & sides["over"].keys())
    index = pd.MultiIndex.from_tuples(both, names=["model", "seed"]) if both else None
    return pd.DataFrame(
        {side: [values[each] for each in both] for side, values in sides.items()}, index
    )


def _ends_of(shares: pd.Series) -> str:
    return (
        f"{100 * shares.mean():.0f} %, runs {100 * shares.min():.0f} to {100 * shares.max():.0f} %"
    )
