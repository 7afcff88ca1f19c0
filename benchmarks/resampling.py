"""How long intervals and tests of all metrics take: matrix products against one loop a resample.

    python -m benchmarks.resampling --json results/benchmarks/resampling.json

One run, one table; see ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gegcore.metrics.bleu import STATISTICS as BLEU
from gegcore.metrics.bleu import bleu_score
from gegcore.metrics.meteor import STATISTICS as METEOR
from gegcore.metrics.meteor import meteor_score
from gegcore.metrics.significance import permutation_test
from gegcore.metrics.uncertainty import Interval, Statistic, bootstrap
from gegcore.provenance import git_revision
from gegcore.storage import write_json

MEANS = 33
"""Metrics of an evaluation that are means or ratios of sums, beside BLEU-1..4 and METEOR."""


def corpus(images: int, seed: int) -> dict[str, Statistic]:
    """All metrics of made-up captions; time does not depend on their values."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 12, (images, BLEU)).astype(np.float64)
    found = {f"BLEU-{n}": Statistic(counts, partial(bleu_score, order=n)) for n in range(1, 5)}
    matches = rng.integers(1, 6, (images, METEOR)).astype(np.float64)
    found["METEOR"] = Statistic(matches, meteor_score)
    return found | {f"mean {i}": Statistic.mean(rng.random(images)) for i in range(MEANS)}


def one_by_one(metrics: dict[str, Statistic], resamples: int) -> np.ndarray:
    """The bootstrap as one writes it first: draw images, add up their rows, for each metric."""
    rng = np.random.default_rng(0)
    images = len(next(iter(metrics.values())).parts)
    rows = []
    for _ in range(resamples):
        drawn = rng.integers(images, size=images)
        rows.append([s.finish(s.parts[drawn].sum(axis=0)) for s in metrics.values()])
    return np.quantile(np.array(rows), [0.025, 0.975], axis=0)


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def check_alike(loop: np.ndarray, found: dict[str, Interval]) -> None:
    """The intervals differ by chance only: both are percentiles of other draws."""
    ours = np.array([[each.low, each.high] for each in found.values()]).T
    apart = np.abs(loop - ours).max(axis=0) / (ours[1] - ours[0])
    if apart.max() > 0.25:
        raise SystemExit(f"the loop's intervals are {apart.max():.2f} widths away")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    args = parser.parse_args()
    a, b = corpus(args.images, 0), corpus(args.images, 1)
    few = max(1, args.resamples // 10)
    pairs = {name: (a[name], b[name]) for name in a}
    loop, percentiles = seconds(lambda: one_by_one(a, few))
    ours, intervals = seconds(lambda: bootstrap(a, 0, args.resamples))
    check_alike(percentiles, intervals)
    test, _ = seconds(lambda: permutation_test(pairs, 0, args.resamples))
    times = {
        "bootstrap, one resample at a time": loop * args.resamples / few,
        "bootstrap": ours,
        "permutation test of two files": test,
    }
    setting = {
        "images": args.images,
        "resamples": args.resamples,
        "metrics": len(a),
        "loop_resamples": few,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "numpy": np.__version__,
        "revision": git_revision(),
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    for name, value in times.items():
        print(f"{name:36}{value:8.2f} s")
    if args.json:
        rows = [{"contender": name, "seconds": value} for name, value in times.items()]
        write_json(args.json, {"setting": setting, "rows": rows})


if __name__ == "__main__":
    main()
