"""Bootstrap intervals and paired differences of corpus metrics, from sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gegcore.errors import ConfigError, DataError

Key = TypeVar("Key", bound=Hashable)

RESAMPLES = 10_000
LEVEL = 0.95

LIMITS = {"seed": 2**63 - 1} | dict.fromkeys(
    ("resamples", "groups", "batch-size", "beam", "k"), 10**6
)
"""The largest of each; the smallest is 1, of seeds 0."""

_BLOCK_ELEMENTS = 1 << 22  # counts held at once (32 MiB)


@dataclass(frozen=True)
class Statistic:
    """A corpus metric as a function of sums over images, so that resampling is a matrix product.

    Attributes:
        parts: `(N, P)` float64, what each image contributes.
        finish: sums `(..., P)` -> metric `(...)`.
    """

    parts: np.ndarray
    finish: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def mean(cls, values: ArrayLike) -> Statistic:
        """The mean of one value per image `(N,)`."""
        column = np.asarray(values, dtype=np.float64)
        return cls.ratio(column, np.ones_like(column))

    @classmethod
    def ratio(cls, numerator: ArrayLike, denominator: ArrayLike) -> Statistic:
        """The sum of one number per image over the sum of another, both `(N,)`; 0 for 0 / 0."""
        parts = np.column_stack([numerator, denominator]).astype(np.float64)
        return cls(parts, lambda sums: quotient(sums[..., 0], sums[..., 1]))

    @classmethod
    def jackknife(cls, value: float, without: ArrayLike) -> Statistic:
        """A metric that is no function of sums over images, such as a number of different words.

        The bootstrap then resamples the influence of each image, so that its interval has the
        jackknife's standard error. The metric of the corpus itself is `value`, and that of all
        images but one, for each, `without` `(N,)`.

        Source: efron1993introduction, Ch. 11.
        """
        left_out = np.asarray(without, dtype=np.float64)
        return cls.mean(value + (len(left_out) - 1) * (left_out.mean() - left_out))

    def scaled(self, factor: float) -> Statistic:
        """The same metric times `factor` (100 in the paper's tables)."""
        return Statistic(self.parts, lambda sums: factor * self.finish(sums))

    def value(self) -> float:
        """The metric of the corpus itself."""
        return float(self.finish(self.parts.sum(axis=0)))


def quotient(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """`numerator / denominator`, 0 where the denominator is 0."""
    nothing = denominator == 0
    return np.where(nothing, 0.0, numerator / np.where(nothing, 1.0, denominator))


class Interval(NamedTuple):
    """A metric with its 95 % percentile bootstrap interval over `n` images."""

    value: float
    low: float
    high: float
    n: int


class Difference(NamedTuple):
    """Metric of `a` minus metric of `b` on the same `n` images, with its bootstrap interval.

    The p-value is two-sided. `paired_difference` inverts the interval: below 0.05 when it excludes
    0. `significance.compare` tests by permutation.
    """

    value: float
    low: float
    high: float
    p_value: float
    n: int


def bootstrap(
    statistics: Mapping[str, Statistic], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """95 % percentile intervals of several metrics of the same images.

    Images are drawn with replacement, the same draws for every metric. What was estimated from
    the whole corpus, as CIDEr's document frequencies, is held fixed.

    Raises as `check_resampling`.

    Source: efron1993introduction, Ch. 13; koehn2004statistical for corpus BLEU.
    """
    drawn = resampled(statistics, seed, resamples)
    return {
        name: Interval(statistic.value(), *percentiles(drawn[name]), len(statistic.parts))
        for name, statistic in statistics.items()
    }


def paired_difference(
    a: Statistic | ArrayLike, b: Statistic | ArrayLike, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Is metric `a` different from metric `b`, both of the same images in the same order?

    Each is a statistic, or one value per image `(N,)` where the metric is their mean. Raises as
    `check_resampling`.
    """
    a, b = (side if isinstance(side, Statistic) else Statistic.mean(side) for side in (a, b))
    drawn = resampled({"a": a, "b": b}, seed, resamples)
    return difference_of(a, b, drawn["a"] - drawn["b"])


def difference_of(a: Statistic, b: Statistic, resampled_differences: np.ndarray) -> Difference:
    """A difference with the percentiles of its resamples `(R,)`."""
    low, high = percentiles(resampled_differences)
    # The smaller tail, the observed corpus counted as one of the resamples: never exactly 0.
    below, above = (resampled_differences <= 0).sum(), (resampled_differences >= 0).sum()
    p_value = min(1.0, 2 * (int(min(below, above)) + 1) / (len(resampled_differences) + 1))
    return Difference(a.value() - b.value(), low, high, p_value, len(a.parts))


def resampled(
    statistics: Mapping[Key, Statistic], seed: int, resamples: int
) -> dict[Key, np.ndarray]:
    """Each metric of each resample, `(R,)`; raises as `check_resampling`."""
    images = check_resampling(statistics.values(), seed, resamples)
    drawn: dict[Key, list[np.ndarray]] = {name: [] for name in statistics}
    sums_of = summing(statistics.values())
    for counts in _counts(images, seed, resamples):
        sums = sums_of(counts)
        for name, statistic in statistics.items():
            drawn[name].append(statistic.finish(sums[id(statistic.parts)]))
    return {name: np.concatenate(blocks) for name, blocks in drawn.items()}


def summing(statistics: Iterable[Statistic]) -> Callable[[np.ndarray], dict[int, np.ndarray]]:
    """A function of counts `(b, N)`: by the `id` of parts, their sums `(b, P)` over weighed images.

    One product for all: metrics share parts, as BLEU's orders do, and pairs of systems share both.
    """
    parts = {id(each.parts): each.parts for each in statistics}
    columns = np.concatenate(list(parts.values()), axis=1)  # once, for all blocks of counts
    ends = np.cumsum([each.shape[1] for each in parts.values()])[:-1]
    return lambda counts: dict(zip(parts, np.split(counts @ columns, ends, axis=1), strict=True))


def check_numbers(given: Mapping[str, int | None], option: str = "") -> None:
    """Refuse numbers that `LIMITS` does not allow; `option` stands before the names ("--").

    Raises:
        ConfigError: one is negative, 0 (but for a seed) or too large.
    """
    for name, value in given.items():
        low, high = int(name != "seed"), LIMITS[name]
        if value is not None and not low <= value <= high:
            wrong = "too large" if value > high else "not positive" if low else "negative"
            raise ConfigError(f"{option}{name} {value} is {wrong}", f"use {low} to {high:,}")


def check_resampling(statistics: Iterable[Statistic], seed: int, resamples: int) -> int:
    """Number of images of the statistics.

    Raises:
        ConfigError: as `check_numbers`.
        DataError: no image, or metrics of different numbers of images.
    """
    check_numbers({"seed": seed, "resamples": resamples})
    sizes = {len(statistic.parts) for statistic in statistics}
    if len(sizes) != 1 or 0 in sizes:
        what = f"metrics of {sorted(sizes)} images cannot be resampled together"
        raise DataError(what, "score the same, non-empty set of images for each")
    return sizes.pop()


def _counts(images: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each image is drawn in each resample, in blocks `(b, N)` float64."""
    generator = np.random.default_rng(seed)
    for block in block_sizes(images, resamples):
        draws = generator.integers(images, size=(block, images))
        draws += images * np.arange(block)[:, None]
        yield np.bincount(draws.ravel(), minlength=block * images).reshape(block, images) * 1.0


def block_sizes(images: int, resamples: int) -> Iterator[int]:
    """Resamples that are computed at once, block after block."""
    rows = max(1, _BLOCK_ELEMENTS // images)
    return (min(rows, resamples - start) for start in range(0, resamples, rows))


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Bounds of the middle 95 %."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
