"""The finished runs of a profile as tidy tables, for notebooks to pivot, plot and test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gegcore.errors import DataError
from gegcore.experiment.keys import code_changes
from gegcore.profiles import Profile, load_profile, profile_names
from gegcore.runs import EVALUATED, RunFolder
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES

STORED = Path(__file__).resolve().parents[2] / "results"
"""What the repository keeps of finished runs: `<profile>/<run>/`, see `archive`."""

ENOUGH = 200
"""Test images; below, an interval of R@1 is wider than the paper's whole range."""

RunName = tuple[str, str, int]


@dataclass(frozen=True)
class Runs:
    """Runs of a profile's grid; in its order, models first.

    Every table has the columns model, objective, label and seed.

    Attributes:
        profile: the profile.
        folders: (model, objective, seed) -> folder.
        own: whether they are runs of this project folder, and not those that are stored.
        missing: names of runs of the grid that are not there.
    """

    profile: Profile
    folders: dict[RunName, RunFolder]
    own: bool
    missing: tuple[str, ...]

    @classmethod
    def of(cls, profile: Profile | str) -> Runs:
        """A profile's own finished runs, whatever part of its grid; without any, the stored ones.

        What is stored of a profile in `config/` is not that of a file elsewhere with its name.

        Raises:
            DataError: there are neither.
        """
        profile = load_profile(profile) if isinstance(profile, str) else profile
        grid = profile.experiments
        wanted = [(m, o, s) for m in grid.models for o in grid.objectives for s in grid.seeds]
        folders = {run: profile.run(*run) for run in wanted}
        finished = {r: f for r, f in folders.items() if f.file(EVALUATED).is_file()}
        own = bool(finished)
        other = profile.name in profile_names() and profile != load_profile(profile.name)
        if not own and not other:
            kept = {r: RunFolder.of(profile.name, *r).name for r in wanted}
            stored = {r: RunFolder(STORED / profile.name / name) for r, name in kept.items()}
            finished = {r: f for r, f in stored.items() if f.file(EVALUATED).is_file()}
        if not finished:
            raise DataError(
                f"profile '{profile.name}' has no finished run, and none is stored in results/",
                f"run `make book PROFILE={profile.name}`, or take profile quick",
            )
        missing = tuple(folders[run].name for run in wanted if run not in finished)
        return cls(profile, finished, own, missing)

    @property
    def source(self) -> str:
        """Which runs these are, as a sentence."""
        name = self.profile.name
        where = f"runs/{name}" if self.own else f"results/{name}, stored with the code"
        said = f"{len(self.folders)} runs of profile {name}, read from {where}."
        if self.missing:
            said += f" Not finished: {', '.join(self.missing)}."
        if self.older:
            said += f" Trained by older code than this: {', '.join(self.older)}."
        images = int(self.metrics["n"].max())
        few = " So few show that everything runs, and nothing else." if images < ENOUGH else ""
        return f"{said} {images:,} test images.{few}"

    @cached_property
    def older(self) -> list[str]:
        """Names of own runs that other code than today's has trained."""
        runs = self.folders.items() if self.own else ()
        return [run.name for (m, o, _), run in runs if code_changes(run, self.profile, m, o)]

    @property
    def no_scores(self) -> str:
        """Why there is nothing to see where values of single captions are needed."""
        return (
            "This needs values of single captions, which stored results do not keep: it is shown "
            f"for runs of your own (`make book PROFILE={self.profile.name}`, or notebook 03)."
        )

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a run and metric: value, low and high of its 95 % interval over n images."""
        rows: list[dict[str, Any]] = []
        for about, run in self._named():
            for metric, found in run.metrics().items():
                low, high = found["ci95"]
                row = {"metric": metric, "value": found["value"], "low": low, "high": high}
                rows.append({**about, **row, "n": found["n"]})
        return pd.DataFrame(rows)

    @cached_property
    def captions(self) -> pd.DataFrame:
        """A row a run and test image: image_id, caption."""
        rows = [
            {**about, "image_id": image, "caption": caption}
            for about, run in self._named()
            for image, caption in run.captions().items()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row a run and test image, a column a metric; R@K of an image is 0 or 100.

        Empty where the stored results are read, which keep no values of single captions.
        """
        if not self.own:
            return pd.DataFrame(columns=["model", "objective", "label", "seed", "image_id"])
        frames = [with_recalls(run.per_caption()).assign(**about) for about, run in self._named()]
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def provenance(self) -> pd.DataFrame:
        """A row a run: when, where, from which commits and data it was trained and evaluated."""
        rows = []
        for about, run in self._named():
            record = read_json(run.whole("provenance.json"))
            trained = record["trained"]
            facts = {
                "trained": str(trained["created"])[:16].replace("T", " "),
                "seconds": float(record["wall_seconds_training"]),
                "device": str(trained["device"]),
                "commit": short(trained["git_revision"]),
                "evaluated": short(record.get("evaluated", trained)["git_revision"]),
                "torch": str(trained.get("versions", {}).get("torch", "")),
                "data": str(record.get("digests", {}).get("materials", "")),
            }
            rows.append({**about, **facts})
        return pd.DataFrame(rows)

    def _named(self) -> list[tuple[dict[str, Any], RunFolder]]:
        return [
            (
                {"model": model, "objective": name, "label": OBJECTIVES[name].label, "seed": seed},
                run,
            )
            for (model, name, seed), run in self.folders.items()
        ]


def over_seeds(metrics: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of the rows of `Runs.metrics`: value, low and high.

    Bounds are averaged too, which is never too narrow for an interval over test images.
    """
    by = metrics.groupby(["model", "label", "metric"], sort=False)
    return by[["value", "low", "high"]].mean().reset_index()


def with_recalls(scores: pd.DataFrame, ks: tuple[int, ...] = (1, 5, 10)) -> pd.DataFrame:
    """Scores of captions with R@K of every column of ranks, by CLIP and by each judge."""
    suffixes = [name[4:] for name in map(str, scores) if re.match(r"rank( |$)", name)]
    recalls = {f"R@{k}{s}": 100.0 * (scores[f"rank{s}"] < k) for s in suffixes for k in ks}
    return scores.assign(**recalls)


def short(revision: str) -> str:
    """First eight hex digits of a commit, `+` kept: there were uncommitted changes."""
    return revision[:8] + ("+" if revision.endswith("+") else "")
