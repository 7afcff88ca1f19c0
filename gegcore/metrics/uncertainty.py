"""Bootstrap intervals over images, for means and for corpus metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def resample_counts(n: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of `n` images is drawn in each bootstrap resample: `(resamples, n)`."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The central 95 % of bootstrap values `(resamples,)`."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """Difference of two systems on the same images.

    Attributes:
        value: mean of a minus mean of b.
        ci95: paired bootstrap interval.
        p: two-sided bootstrap p-value of no difference, at least 1 / resamples.
        n: images.
    """

    value: float
    ci95: tuple[float, float]
    p: float
    n: int


def paired_difference(
    a: np.ndarray, b: np.ndarray, resamples: int = 10_000, seed: int = 0
) -> Difference:
    """Paired bootstrap of the mean difference of per-image values `(n,)` of two systems.

    Raises:
        ValueError: the arrays differ in length.
    """
    if a.shape != b.shape:
        raise ValueError(f"paired values must match: {a.shape} and {b.shape}")
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    drawn = resample_counts(len(difference), resamples, seed) @ difference / len(difference)
    tail = min((drawn <= 0).mean(), (drawn >= 0).mean())
    p = float(min(1.0, max(2 * tail, 1 / resamples)))
    return Difference(float(difference.mean()), percentile_interval(drawn), p, len(difference))
