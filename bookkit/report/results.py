"""The finished runs of a profile, as means over seeds with intervals over test images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bookkit.report.judges import JUDGES
from gegcore.errors import DataError
from gegcore.metrics.uncertainty import Interval, Statistic, bootstrap
from gegcore.profiles import Profile
from gegcore.runs import RunFolder

_RANKS = {
    **{f"R@{k}": ("rank", k) for k in (1, 5, 10)},
    **{f"R@1 {label}": (f"rank {label}", 1) for label in JUDGES.values()},
}
"""Recall -> the column of ranks that it counts, and its K."""

PER_IMAGE = ("CIDEr", "ROUGE-L", *_RANKS, "GEG-Avg", "GEG-Min", "listener R@1")
"""Metrics of a corpus that are means over its images."""

TABLE_COLUMNS = (
    *("CIDEr", "R@1", "R@5", "R@10"),
    *("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "GEG-Avg", "GEG-Min"),
)


@dataclass(frozen=True)
class Finished:
    """All finished seeds of one model and objective.

    Attributes:
        model, objective: their names in the code.
        label: of the objective in tables.
        seeds: of the runs, in the same order.
        runs: evaluated run folders, at least one.
        resamples: of the bootstrap.
    """

    model: str
    objective: str
    label: str
    seeds: tuple[int, ...]
    runs: tuple[RunFolder, ...]
    resamples: int = 2_000

    @cached_property
    def per_seed(self) -> tuple[pd.DataFrame, ...]:
        """For each seed, what it has of `PER_IMAGE`, of every image (index: image_id, sorted)."""
        return tuple(_per_image(run) for run in self.runs)

    @cached_property
    def per_image(self) -> pd.DataFrame:
        """Means over seeds of the metrics of every image.

        Raises:
            DataError: the seeds captioned different images.
        """
        first = self.per_seed[0]
        if any(not first.index.equals(other.index) for other in self.per_seed):
            raise DataError(
                f"the seeds of {self.model} {self.label} captioned different test images",
                "run `make book`, or notebook 03, for all seeds of this profile",
            )
        return sum(self.per_seed[1:], start=first) / len(self.runs)

    @cached_property
    def estimates(self) -> dict[str, Interval]:
        """Metric -> mean over seeds with its 95 % interval over images.

        Metrics of `PER_IMAGE` are bootstrapped with the seeds averaged per image. For the others
        (BLEU, METEOR), the bounds of the seeds are averaged, which is never too narrow.
        """
        found = {name: _averaged([run.metrics()[name] for run in self.runs]) for name in self.names}
        parts = {str(name): Statistic.mean(values) for name, values in self.per_image.items()}
        return found | bootstrap(parts, resamples=self.resamples)

    @property
    def names(self) -> list[str]:
        """Metrics that every seed has."""
        first, *others = (run.metrics() for run in self.runs)
        return [name for name in first if all(name in other for other in others)]

    def seed_values(self, metric: str) -> list[float]:
        """A metric of each seed."""
        return [float(run.metrics()[metric]["value"]) for run in self.runs]


@dataclass(frozen=True)
class Results:
    """What a profile has so far.

    Attributes:
        profile: the profile.
        finished: in the order of the profile's grid.
        missing: names of runs of the grid that are not evaluated yet.
    """

    profile: Profile
    finished: tuple[Finished, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, profile: Profile) -> Results:
        """Collect the evaluated runs of a profile's grid, whatever part of it there is.

        Raises:
            DataError: there is none.
        """
        grid, finished, missing = profile.experiments, [], []
        for model in grid.models:
            for objective in grid.objectives:
                label = profile.objective(objective).label or objective
                found = {}
                for seed in grid.seeds:
                    run = RunFolder.of(profile.name, model, objective, seed)
                    if run.made_from("evaluation.json") is None:
                        missing.append(run.name)
                    else:
                        found[seed] = run
                if found:
                    seeds, runs = tuple(found), tuple(found.values())
                    finished.append(
                        Finished(model, objective, label, seeds, runs, profile.resamples)
                    )
        if not finished:
            raise DataError(
                f"profile '{profile.name}' has no finished run",
                f"run `make book PROFILE={profile.name}`, or notebook 03 with this profile",
            )
        return cls(profile, tuple(finished), tuple(missing))

    def __iter__(self) -> Iterator[Finished]:
        return iter(self.finished)

    @property
    def models(self) -> list[str]:
        """Models with a finished run."""
        return list(dict.fromkeys(entry.model for entry in self.finished))

    def of_model(self, model: str) -> list[Finished]:
        """One entry for each finished objective of a model, in the order of the grid."""
        return [entry for entry in self.finished if entry.model == model]

    def find(self, model: str, objective: str) -> Finished | None:
        """The runs of a model and objective, None if there are none."""
        for entry in self.of_model(model):
            if entry.objective == objective:
                return entry
        return None


def common_seeds(a: Finished, b: Finished) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Per-image metrics of two objectives, each averaged over the seeds that both have.

    None if they share no seed.

    Raises:
        DataError: they captioned different images.
    """
    shared = [seed for seed in a.seeds if seed in b.seeds]
    if not shared:
        return None
    frames = []
    for side in (a, b):
        chosen = [side.per_seed[side.seeds.index(seed)] for seed in shared]
        frames.append(sum(chosen[1:], start=chosen[0]) / len(chosen))
    if not frames[0].index.equals(frames[1].index):
        raise DataError(
            f"{a.label} and {b.label} captioned different test images",
            "run `make book` to bring both up to date",
        )
    return frames[0], frames[1]


def _per_image(run: RunFolder) -> pd.DataFrame:
    frame = run.per_caption().set_index("image_id").sort_index()
    known = {name: rank for name, rank in _RANKS.items() if rank[0] in frame}
    recalls = {name: 100.0 * (frame[column] < k) for name, (column, k) in known.items()}
    frame = frame.assign(**recalls)
    return frame[[name for name in PER_IMAGE if name in frame]].astype(np.float64)


def _averaged(entries: list[dict]) -> Interval:
    low = float(np.mean([entry["ci95"][0] for entry in entries]))
    high = float(np.mean([entry["ci95"][1] for entry in entries]))
    return Interval(
        float(np.mean([entry["value"] for entry in entries])), low, high, int(entries[0]["n"])
    )
