"""Several systems' captions of the same images: one table, ranks, and a test of every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from caption_evaluation.images import ImageId
from gegcore.metrics import significance
from gegcore.metrics.evaluate import Evaluation
from gegcore.metrics.presentation import LOWER_IS_BETTER
from gegcore.metrics.uncertainty import Difference

ALPHA = 0.05


class Pair(NamedTuple):
    """Two systems by one metric.

    Attributes:
        difference: the first minus the second.
        p_holm: its p-value, corrected for the number of pairs.
    """

    first: str
    second: str
    difference: Difference
    p_holm: float


@dataclass(frozen=True)
class SystemsReport:
    """Scores of several captions files of the same images.

    Attributes:
        evaluations: name of each system -> its scores.
        files, references_digest, skipped, pictures, hints: as `EvaluationReport` has them.
        pairs: metric -> every two systems.
    """

    evaluations: Mapping[str, Evaluation]
    files: Mapping[str, Mapping[str, str]]
    references_digest: str
    skipped: Mapping[str, Sequence[str]]
    pictures: Mapping[ImageId, Path]
    hints: Sequence[str]
    pairs: Mapping[str, Sequence[Pair]]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row a system and metric: system, metric, value, low, high, n, rank (1 is best)."""
        rows = [
            {"system": name, "metric": metric, "value": found["value"]}
            | {"low": found["ci95"][0], "high": found["ci95"][1], "n": found["n"]}
            for name, each in self.evaluations.items()
            for metric, found in each.metrics.items()
        ]
        table = pd.DataFrame(rows)
        better = table["value"].where(table["metric"].isin(LOWER_IS_BETTER), -table["value"])
        return table.assign(rank=better.groupby(table["metric"]).rank(method="min").astype(int))

    @property
    def alike(self) -> dict[str, list[tuple[str, str]]]:
        """Metric -> pairs whose difference chance explains, tested `p_holm` at 5 %."""
        return {
            metric: [(pair.first, pair.second) for pair in pairs if pair.p_holm >= ALPHA]
            for metric, pairs in self.pairs.items()
        }


def compare_all(
    evaluations: Mapping[str, Evaluation], seed: int, resamples: int
) -> dict[str, list[Pair]]:
    """Every two systems by every metric that all have; corrected within each metric.

    Raises as `significance.compare`.
    """
    statistics = {name: each.statistics for name, each in evaluations.items()}
    first, *others = statistics.values()
    shared = [name for name in first if all(name in each for each in others)]
    found = significance.compare_all(statistics, shared, seed, resamples)
    pairs: dict[str, list[Pair]] = {}
    for metric in shared:
        of_metric = {key[1:]: found[key] for key in found if key[0] == metric}
        corrected = holm([difference.p_value for difference in of_metric.values()])
        pairs[metric] = [
            Pair(one, two, difference, p)
            for ((one, two), difference), p in zip(of_metric.items(), corrected, strict=True)
        ]
    return pairs


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number: those below 5 % hold together with 95 % certainty.

    Source: Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    p, count = np.asarray(p_values, np.float64), len(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(count, 0, -1)))
    corrected = np.empty(count)
    corrected[order] = steps
    return [float(value) for value in corrected]
