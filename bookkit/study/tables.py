"""Tables 4 and 5 of the paper from answers, with intervals, and how far participants agree.

Another study would ask other people about other pictures, so both are drawn with replacement, and
an answer weighs as often as its participant was drawn times as often as its picture was: the
pigeonhole bootstrap, whose intervals are a little too wide rather than too narrow.

Source: owen2007pigeonhole; krippendorff2011computing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bookkit.report.page import DASH, interval, number, signed
from bookkit.report.says import joined
from gegcore.metrics.uncertainty import Interval, percentiles

RECALLS = ("R@1", "R@5", "R@10")
OUTCOMES = {"win": 1, "tie": 0, "loss": -1}
MINUS = " minus "
"""In the name of the row of a difference, between a system and the baseline."""

CEILING = 90.0
"""R@K in per cent; of systems that all reach it, the metric cannot tell which is better."""

_RESAMPLES = 4000


def crossed(
    rows: pd.DataFrame, measure: Callable[[np.ndarray], np.ndarray], seed: int = 0
) -> Interval:
    """A number of answers with its 95 % interval over participants and items.

    Args:
        rows: a row an answer, with columns participant and item.
        measure: weights of the answers `(R, N)` -> the number `(R,)`.

    Returns:
        `n` counts answers; without two participants and two items no interval: low and high NaN.
    """
    value = float(measure(np.ones((1, len(rows))))[0])
    generator, weights = np.random.default_rng(seed), np.ones((_RESAMPLES, len(rows)))
    for side in ("participant", "item"):
        codes, names = pd.factorize(rows[side])
        if len(names) < 2:
            return Interval(value, np.nan, np.nan, len(rows))
        even = np.full(len(names), 1 / len(names))
        weights *= generator.multinomial(len(names), even, size=_RESAMPLES)[:, codes]
    drawn = measure(weights)
    return Interval(value, *percentiles(drawn[np.isfinite(drawn)]), len(rows))


def _mean(values: np.ndarray, where: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Weighted mean of some answers; NaN where none of them was drawn."""

    def measure(weights: np.ndarray) -> np.ndarray:
        total = weights @ where.astype(float)
        return np.divide(
            weights @ (values * where), total, np.full_like(total, np.nan), where=total > 0
        )

    return measure


def recalls(rows: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    """Table 4: of each system, then of each difference to the baseline: value, low, high, n."""
    found = []
    for metric in RECALLS:
        of = {name: _mean(rows[metric].to_numpy(), _is(rows["system"], name)) for name in systems}
        baseline, *others = of
        measures = dict(of)
        for other in others:
            measures[f"{other}{MINUS}{baseline}"] = _minus(of[other], of[baseline])
        for name, measure in measures.items():
            count = _is(rows["system"], name).sum() or len(rows)
            made = crossed(rows, measure)._replace(n=int(count))
            found.append({"row": name, "metric": metric, **made._asdict()})
    return pd.DataFrame(found)


def near_ceiling(found: pd.DataFrame) -> str:
    """A sentence on `recalls`: which R@K every system nearly reaches, and which are left."""
    each = found[~found["row"].str.contains(MINUS, regex=False)].groupby("metric", sort=False)
    least = each["value"].min()
    full, room = ([*least.index[side]] for side in (least >= CEILING, least < CEILING))
    if not full:
        return f"in no R@K does every system reach {CEILING:.0f} %."
    left = f"only {joined(room)} can separate them" if room else "no R@K can separate them"
    return f"every system reaches {CEILING:.0f} % in {joined(full)}, so that {left}."


def outcomes(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 5: per cent of answers that are a win, tie or loss of a system, by each criterion."""
    found = []
    for (system, criterion), part in rows.groupby(["system", "criterion"], sort=False):
        for metric, outcome in OUTCOMES.items():
            hit = 100.0 * (part["outcome"] == outcome).to_numpy()
            made = crossed(part, _mean(hit, np.ones(len(part), bool)))
            row = f"{system}: {criterion}"
            found.append({"row": row, "metric": metric, **made._asdict()})
    return pd.DataFrame(found, columns=["row", "metric", "value", "low", "high", "n"])


def _is(column: pd.Series, name: str) -> np.ndarray:
    return (column == name).to_numpy()


def _minus(
    a: Callable[[np.ndarray], np.ndarray], b: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda weights: a(weights) - b(weights)


def cells(found: pd.DataFrame) -> pd.DataFrame:
    """As a table of words: a value, its interval below it, and how many answers."""
    shown = {}
    for x in found.to_dict("records"):
        show = signed if MINUS in x["row"] and x["value"] == x["value"] else number
        known = x["low"] == x["low"]  # not NaN
        bounds = interval(x["metric"], x["low"], x["high"]) if known else DASH
        shown[x["row"], x["metric"]] = f"{show(x['metric'], x['value'])}\n{bounds}"
    table = pd.Series(shown).unstack()
    counts = found.groupby("row")["n"].first()
    order = found["row"].unique(), found["metric"].unique()
    return table.loc[order].assign(answers=counts.map("{:,}".format))


def alpha(
    units: Iterable[Sequence[Hashable]], level: Literal["nominal", "ordinal"] = "nominal"
) -> float:
    """Krippendorff's alpha: 1 where all agree, 0 where they agree as by chance.

    Args:
        units: of each thing judged, the values that it was given; those with one do not count.
        level: ordinal values are in the order of their size.

    Returns:
        NaN where nothing was judged twice, or only one value was ever given.
    """
    judged = [list(values) for values in units if len(values) > 1]
    known = {value: i for i, value in enumerate(sorted({x for each in judged for x in each}))}  # type: ignore[type-var]
    counts = np.zeros((len(judged), len(known)))
    for row, values in enumerate(judged):
        np.add.at(counts[row], [known[value] for value in values], 1)
    weighted = counts / (counts.sum(axis=1, keepdims=True) - 1)
    observed = counts.T @ weighted - np.diag(weighted.sum(axis=0))
    totals = observed.sum(axis=0)
    distance = 1.0 - np.eye(len(known))
    if level == "ordinal":
        middle = np.cumsum(totals) - totals / 2
        distance = (middle[:, None] - middle) ** 2
    expected = (np.outer(totals, totals) * distance).sum() / max(totals.sum() - 1, 1)
    return float(1 - (observed * distance).sum() / expected) if expected else float("nan")
