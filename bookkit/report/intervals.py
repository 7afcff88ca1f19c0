"""Intervals that hold for other training runs and other test images: over seeds and families.

Two things would differ if a study were done again: the seeds of its training runs, and its test
images. Test images come in families of similar ones, which are hard or easy together. So families
are drawn with replacement, with all of their images, the same families for both sides of a
comparison, for every seed and for every captioner: a paired cluster bootstrap.

Seeds cannot be drawn like this. Three of them, drawn with replacement, vary by 2/3 of what they
should, and percentiles of so few know nothing of Student's t: such intervals hold the truth far
less often than they say. Instead, every resample is moved by the standard error over seeds times a
draw from t with one degree of freedom less than there are seeds. For three seeds that alone is
+-2.5 standard deviations: wide, and what three seeds can say.

Source: davison1997bootstrap, Sec. 3.8; field2007bootstrapping; agarwal2021precipice for why runs
must be in the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gegcore.errors import DataError
from gegcore.metrics.uncertainty import (
    RESAMPLES,
    Statistic,
    percentiles,
    resampled,
)

Means = Callable[[np.ndarray], np.ndarray]
"""Means of columns over images `(..., P)` -> the number in question `(...)`."""


@dataclass(frozen=True)
class Effect:
    """A number with its 95 % interval over seeds and families.

    Attributes:
        value: of all seeds together.
        low, high: NaN where a seed or a resample has no value.
        seeds: of each seed alone. With one seed the interval knows only of families. Empty of the
            mean of captioners that have different numbers of seeds.
        families: how many.
    """

    value: float
    low: float
    high: float
    seeds: tuple[float, ...]
    families: int

    @property
    def sd(self) -> float:
        """Standard deviation over seeds; NaN for one or none."""
        return float(np.std(self.seeds, ddof=1)) if len(self.seeds) > 1 else float("nan")


def by_family(scores: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> np.ndarray:
    """Sums over the images of each family, for each seed that all objectives have.

    Args:
        scores: of one captioner, a row an objective, seed and image: `Runs.scores`.
        columns: P pairs of objective and metric.

    Returns:
        `(S, F, P + 1)`; last the number of images of the family. S may be 0.

    Raises:
        DataError: runs captioned different images.
    """
    wanted = {objective for objective, _ in columns}
    read = ["objective", "seed", "image_id", "family", *dict.fromkeys(name for _, name in columns)]
    rows = scores.loc[scores["objective"].isin(wanted), read]
    held = rows.groupby("objective")["seed"].agg(set)
    shared = sorted(set.intersection(*held)) if set(held.index) == wanted else []
    family = rows.groupby("image_id")["family"].first()
    tables = []
    for seed in shared:
        at = rows[rows["seed"] == seed].pivot(index="image_id", columns="objective")
        sides = pd.concat([at[metric, objective] for objective, metric in columns], axis=1)
        if sides.isna().any(axis=None) or not at.index.equals(family.index):
            what = f"{' and '.join(sorted(wanted))} captioned different test images"
            raise DataError(what, "run `make book` to bring them up to date")
        values = np.column_stack([sides.to_numpy(np.float64), np.ones(len(sides))])
        tables.append(pd.DataFrame(values).groupby(family.to_numpy()).sum().to_numpy())
    return np.array(tables) if tables else np.empty((0, 0, len(columns) + 1))


def effects(
    sums: Mapping[str, np.ndarray], number: Means, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[dict[str, Effect], Effect]:
    """The same number of several captioners, each with its interval, and that of their mean.

    Args:
        sums: captioner -> `by_family`, of the same test images.
        number: what is made of the means of the columns.

    Raises:
        DataError: no captioner, seed or family, or different families.
        ConfigError: as `check_numbers`.
    """

    def finish(total: np.ndarray) -> np.ndarray:
        return number(total[..., :-1] / total[..., -1:])

    generator = np.random.default_rng([seed, 2])  # not the draws of the families
    pooled = {name: Statistic(table.sum(axis=0), finish) for name, table in sums.items()}
    drawn, each = resampled(pooled, seed, resamples), dict[str, np.ndarray]()
    for name, table in sums.items():
        each[name] = finish(table.sum(axis=1))
        if (runs := len(table)) > 1:
            error = each[name].std(ddof=1) / np.sqrt(runs)
            drawn[name] += error * generator.standard_t(runs - 1, size=resamples)
    families = next(iter(sums.values())).shape[1]

    def summary(value: float, draws: np.ndarray, seeds: np.ndarray) -> Effect:
        sure = bool(np.isfinite([value, *seeds]).all())
        low, high = percentiles(draws) if sure else (np.nan, np.nan)
        return Effect(value, low, high, tuple(map(float, seeds)), families)

    found = {name: summary(pooled[name].value(), drawn[name], each[name]) for name in sums}
    mean = float(np.mean([effect.value for effect in found.values()]))
    mean_draws = np.mean(list(drawn.values()), axis=0)
    # A mean over captioners has a value for each seed only if all have the same number of them.
    if len({len(seeds) for seeds in each.values()}) == 1:
        return found, summary(mean, mean_draws, np.mean(list(each.values()), axis=0))
    sure = summary(mean, mean_draws, np.concatenate(list(each.values())))
    return found, replace(sure, seeds=())


def difference(means: np.ndarray) -> np.ndarray:
    """The first column minus the second."""
    return means[..., 0] - means[..., 1]


def ratio(means: np.ndarray) -> np.ndarray:
    """The first column over the second; NaN where that is 0."""
    above, below = means[..., 0], means[..., 1]
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)


def gain_at(share: float) -> Means:
    """How far a frontier is above its start, where it has that share of its start's CIDEr.

    Columns are pairs of CIDEr and the number in question, in the order of the weight of the gap;
    the first pair is the start, of weight 0. Between two weights both change linearly; the first
    pair of neighbours that has the asked CIDEr between them is taken. NaN where none has.
    """

    def number(means: np.ndarray) -> np.ndarray:
        cider, value = means[..., ::2], means[..., 1::2]
        wanted, found = share * cider[..., 0], np.full(means.shape[:-1], np.nan)
        for before in reversed(range(cider.shape[-1] - 1)):
            left, right = cider[..., before], cider[..., before + 1]
            inside = (left >= wanted) & (right <= wanted) & (left > right)
            way = (left - wanted) / np.where(inside, left - right, 1.0)
            between = value[..., before] + way * (value[..., before + 1] - value[..., before])
            found = np.where(inside, between, found)
        return found - value[..., 0]

    return number


def over_families(metrics: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Metrics of runs, those that are means over images with intervals over families of images.

    Stored intervals take images for independent; of similar ones they are too narrow. What is no
    mean over images, as BLEU, keeps its interval.

    Args:
        metrics: a row a run and metric, as `Runs.metrics`.
        scores: a row a run and image, as `Runs.scores`.
    """
    about, names = ["model", "objective", "seed"], metrics["metric"].unique()
    shared = [name for name in names if name in scores]
    if scores.empty or not scores["family"].duplicated().any() or not shared:
        return metrics
    statistics: dict[tuple[Hashable, ...], Statistic] = {}
    for run, part in scores.groupby(about):
        by = part.groupby("family")[shared]
        total, count = by.sum(), by.count()
        statistics |= {(*run, name): Statistic.ratio(total[name], count[name]) for name in shared}
    drawn = resampled(statistics, 0, RESAMPLES)
    rows = [(*key, each.value(), *percentiles(drawn[key])) for key, each in statistics.items()]
    found = pd.DataFrame(rows, columns=[*about, "metric", "mean", "low", "high"])
    both = metrics.merge(found, "left", [*about, "metric"], suffixes=("", " wide"))
    same = np.isclose(both["mean"], both["value"], rtol=1e-4, atol=1e-6)
    wide = both[["low wide", "high wide"]].set_axis(["low", "high"], axis=1)
    bounds = wide.where(pd.Series(same), both[["low", "high"]])
    return metrics.assign(low=bounds["low"].to_numpy(), high=bounds["high"].to_numpy())
