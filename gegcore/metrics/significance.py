"""Do two captions files of the same images differ? Paired bootstrap and permutation test."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from gegcore.errors import ConfigError, DataError
from gegcore.metrics.uncertainty import (
    RESAMPLES,
    Difference,
    Statistic,
    block_sizes,
    check_resampling,
    difference_of,
    resampled,
    summing,
)

Key = TypeVar("Key", bound=Hashable)

_ROUNDING = 1e-9


def compare(
    a: Mapping[str, Statistic],
    b: Mapping[str, Statistic],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Difference]:
    """Each metric of captions `a` minus that of `b`, for the metrics that both have.

    Both are of the same images in the same order. Intervals are those of the paired bootstrap,
    p-values of the permutation test, each from the sufficient statistics of the corpus metric: BLEU
    and METEOR from summed counts, not from averages of captions. All metrics share the same draws.

    Raises:
        ConfigError: as `check_numbers`, or no metric in common.
        DataError: no image, or different numbers of images.
    """
    names = [name for name in a if name in b]
    if not names:
        raise ConfigError("the two evaluations share no metric", "compare the same metrics")
    found = compare_all({"a": a, "b": b}, names, seed, resamples)
    return {name: difference for (name, _, _), difference in found.items()}


def compare_all(
    systems: Mapping[str, Mapping[str, Statistic]],
    metrics: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[tuple[str, str, str], Difference]:
    """`compare` of every two systems by metrics that all have: by metric and the two names."""
    sides = {(name, system): systems[system][name] for name in metrics for system in systems}
    drawn = resampled(sides, seed, resamples)
    pairs = {
        (name, *two): tuple(sides[name, system] for system in two)
        for name in metrics
        for two in combinations(systems, 2)
    }
    found = {}
    for (name, a, b), p_value in permutation_test(pairs, seed, resamples).items():
        between = drawn[name, a] - drawn[name, b]
        difference = difference_of(sides[name, a], sides[name, b], between)
        found[name, a, b] = difference._replace(p_value=p_value)
    return found


def permutation_test(
    pairs: Mapping[Key, tuple[Statistic, ...]], seed: int = 0, resamples: int = RESAMPLES
) -> dict[Key, float]:
    """Two-sided p-value of each pair of metrics, by approximate randomisation.

    If both files were as good as each other, it would not matter which of the two captions of an
    image is in which file. So they are swapped at random, image by image: the p-value is the share
    of swaps after which the metrics differ at least as much as they do, the one seen counted.

    Raises:
        ConfigError: as `check_numbers`.
        DataError: no image, different numbers of images, or two different metrics.

    Source: noreen1989computer; riezler2005pitfalls for corpus metrics.
    """
    images = check_resampling([s for pair in pairs.values() for s in pair], seed, resamples)
    for name, (a, b) in pairs.items():
        if a.parts.shape != b.parts.shape:
            raise DataError(f"metric '{name}' has two statistics", "compare a metric with itself")
    values = {name: (a.value(), b.value()) for name, (a, b) in pairs.items()}
    # Rounding must not make a swap of equal captions count as less far.
    far = {k: abs(a - b) - _ROUNDING * max(abs(a), abs(b)) for k, (a, b) in values.items()}
    every = [each for pair in pairs.values() for each in pair]
    whole = {id(each.parts): each.parts.sum(axis=0) for each in every}
    as_far = dict.fromkeys(pairs, 0)
    sums_of = summing(every)
    for coins in _coins(images, seed, resamples):
        sums = sums_of(coins)
        for name, (a, b) in pairs.items():
            moved = sums[id(a.parts)] - sums[id(b.parts)]
            first = a.finish(whole[id(b.parts)] + moved)
            second = b.finish(whole[id(a.parts)] - moved)
            as_far[name] += int((np.abs(first - second) >= far[name]).sum())
    return {name: (count + 1) / (resamples + 1) for name, count in as_far.items()}


def _coins(images: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Which captions stay in their file, in blocks `(b, N)` of 0.0 and 1.0."""
    generator = np.random.default_rng([seed, 1])  # not the draws of the bootstrap
    for block in block_sizes(images, resamples):
        yield generator.integers(2, size=(block, images)).astype(np.float64)
