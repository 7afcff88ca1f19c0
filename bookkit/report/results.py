"""The finished runs of a profile as tidy tables, for notebooks to pivot, plot and test."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from bookkit.experiments import experiments
from bookkit.report.archive import SCORES
from bookkit.report.calibration import red_flag
from bookkit.report.frontier import neighbours, weight
from bookkit.report.intervals import over_families
from bookkit.report.stored import RunName, kept_scores, profiles_of_config, stored_runs
from emoji_scenes.scenes.sampler import FAMILY_SIZE
from gegcore.errors import DataError, some
from gegcore.experiment.keys import code_changes
from gegcore.profiles import Profile, load_profile
from gegcore.runs import EVALUATED, RunFolder
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES

ENOUGH = 200
"""Test images; below, an interval of R@1 is wider than the paper's whole range."""

KEPT_START = "\N{DEGREE SIGN}"
"""After a label: some of its runs kept the model that training started from."""


@dataclass(frozen=True)
class Runs:
    """Runs of a profile's grid; in its order, models first.

    Every table has the columns model, objective, label and seed.

    Attributes:
        profile: the profile.
        folders: (model, objective, seed) -> folder.
        own: whether they are runs of this project folder, and not those that are stored.
        missing: names of runs of the grid that are not there.
        unlike: profile that was asked for, if these saw other data than its runs.
    """

    profile: Profile
    folders: dict[RunName, RunFolder]
    own: bool
    missing: tuple[str, ...]
    unlike: str = ""

    @classmethod
    def of(cls, profile: Profile | str) -> Runs:
        """A profile's own finished runs, whatever part of its grid; without any, the stored ones.

        What is stored of the profiles in `config/` is not that of a file elsewhere with their name.

        Raises:
            DataError: there are neither.
        """
        profile = load_profile(profile) if isinstance(profile, str) else profile
        grid = {(e.model, e.objective, e.seed): e for e in experiments(profile).values()}
        folders = {name: profile.run(*name) for name in grid}
        finished = {r: f for r, f in folders.items() if f.file(EVALUATED).is_file()}
        own = bool(finished)
        of_name = [each for each in profiles_of_config().values() if each.name == profile.name]
        if not own and (not of_name or profile in of_name):
            finished = stored_runs(profile)
        if not finished:
            raise DataError(
                f"profile '{profile.name}' has no finished run, and none is stored in results/",
                f"run `make book PROFILE={profile.name}`, or take profile quick",
            )
        missing = tuple(grid[run].name for run in grid if run not in finished)
        return cls(profile, finished, own, missing)

    @classmethod
    def every(cls, profile: Profile | str) -> list[Runs]:
        """Those of a profile, then those of every other profile of `config/` that has some stored.

        Of profiles of the same kind of data: what holds for photographs is asked of photographs.

        Raises as `of`.
        """
        first = cls.of(profile)
        kind = first.profile.data.kind
        # Not those that add objectives to another profile, under its name.
        names = {stem: each for stem, each in profiles_of_config().items() if each.name == stem}
        others = [each for each in names.values() if each.name != first.profile.name]
        alike = (each for each in others if each.data.kind == kind and stored_runs(each))
        return [first, *map(cls.of, alike)]

    @classmethod
    def most(cls, profile: Profile | str, *objectives: str) -> Runs:
        """Of `every`, those with most runs of these objectives; without any, of all stored ones.

        Raises as `of`.
        """

        def count(runs: Runs) -> int:
            return sum(name in objectives for _, name, _ in runs.folders)

        every = cls.every(profile)
        best = max(every, key=count)
        if count(best):
            data = [set(runs.provenance["data"]) for runs in (every[0], best)]
            return best if data[0] & data[1] else replace(best, unlike=every[0].profile.name)
        own_names = [each for stem, each in profiles_of_config().items() if each.name == stem]
        return max([best, *map(cls.of, filter(stored_runs, own_names))], key=count)

    @property
    def source(self) -> str:
        """Which runs these are, as a sentence."""
        name = self.profile.name
        where = f"runs/{name}" if self.own else f"results/{name}, stored with the code"
        there, grid = len(self.folders), len(self.folders) + len(self.missing)
        count = f"{there} of {grid}" if self.missing else str(there)
        said = f"{count} runs of profile {name}, read from {where}."
        if self.missing:
            said += f" Not finished: {some(self.missing, 3)}."
        if self.older:
            said += f" Trained by older code than this: {some(self.older, 3)}."
        if self.unlike:
            said += f" They saw other data than the runs of profile {self.unlike}: compare them"
            said += " with each other only."
        images = int(self.metrics["n"].max())
        few = " So few show that everything runs, and nothing else." if images < ENOUGH else ""
        flag = red_flag(self.profile, self.folders.values())
        return f"{said} {images:,} test images.{few} {flag}".strip()

    @cached_property
    def older(self) -> list[str]:
        """Names of own runs that other code than today's has trained."""
        runs = self.folders.items() if self.own else ()
        return [run.name for (m, o, _), run in runs if code_changes(run, self.profile, m, o)]

    @property
    def no_scores(self) -> str:
        """Why there is nothing to see where values of single captions are needed."""
        return (
            "This needs values of single captions of both sides, which these runs do not have: "
            f"it is shown for runs of your own (`make book PROFILE={self.profile.name}`)."
        )

    @cached_property
    def kept_start(self) -> set[RunName]:
        """Runs whose selected epoch is 0: they are the model that training started from."""
        return {
            name
            for name, run in self.folders.items()
            if name[1] != "mle" and run.training().get("best_epoch") == 0
        }

    def marks(self, model: str) -> dict[str, str]:
        """Labels of a model in tables, with `KEPT_START` where a run kept its start."""
        kept = {objective for name, objective, _ in self.kept_start if name == model}
        labels = [self.profile.objective(name).label for name in kept]
        return {label: f"{label} {KEPT_START}" for label in labels}

    @property
    def models(self) -> list[str]:
        """Captioners, in order."""
        return list(dict.fromkeys(model for model, _, _ in self.folders))

    def of_objective(self, objective: str) -> dict[RunName, RunFolder]:
        """All runs of an objective."""
        return {name: run for name, run in self.folders.items() if name[1] == objective}

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A row a run and metric: value, low and high of its 95 % interval over n images.

        Of means over images in families of similar ones, the interval is over families.
        """
        rows = self._metrics("metrics.json")
        lacking = self.own and not all(map(has_values, self.folders.values()))
        return rows if lacking else over_families(rows, self.scores)

    def beam(self, size: int) -> pd.DataFrame:
        """`metrics` of captions found by beam search; no rows if the profile has no such beam."""
        none = size not in self.profile.beams
        return self.metrics[:0] if none else self._metrics(f"beam{size}.metrics.json")

    def _metrics(self, file: str) -> pd.DataFrame:
        rows: list[dict[str, Any]] = []
        for about, run in self._named():
            for metric, found in read_json(run.whole(file))["metrics"].items():
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
        """A row a run and test image, a column a metric, and its family; R@K is 0 or 100.

        Of stored runs only those that keep values of single captions. Images of the embedded world
        come in families of similar ones; of others each is a family of its own.
        """
        return self._scored(self._named())

    def frontier(self, objective: str) -> tuple[pd.DataFrame, list[str]]:
        """`scores` with those of runs of an objective that have other weights of its rewards.

        Returns:
            Scores, where these are objectives of their own; and their names, least weight first.
        """
        named, weights = self._named(), {}
        for (model, _, seed), run in self.of_objective(objective).items():
            for each in (run, *neighbours(run)):
                name = objective if each == run else f"{objective}, weight {weight(each):g}"
                weights[name] = weight(each)
                if each != run:
                    label = {"label": name, "objective": name}
                    named.append(({"model": model, "seed": seed, **label}, each))
        return self._scored(named), sorted(weights, key=weights.__getitem__)

    def _scored(self, named: list[tuple[dict[str, Any], RunFolder]]) -> pd.DataFrame:
        found = []
        for about, run in named:
            if self.own or run.file(SCORES).is_file():
                values = run.per_caption() if self.own else kept_scores(run)
                family = family_of(self.profile, values["image_id"])
                found.append(with_recalls(values).assign(family=family, **about))
        none = pd.DataFrame(columns=["model", "objective", "label", "seed", "image_id", "family"])
        return pd.concat(found, ignore_index=True) if found else none

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
        named = []
        for (model, name, seed), run in self.folders.items():
            label = self.profile.objective(name).label
            named.append(({"model": model, "objective": name, "label": label, "seed": seed}, run))
        return named


def has_values(run: RunFolder) -> bool:
    """Whether a run of one's own keeps values of single captions."""
    return run.file("per_caption.parquet").is_file()


def family_of(profile: Profile, images: pd.Series) -> pd.Series:
    """Families of images, by their ids or places in a split; without families each its own."""
    return images // (FAMILY_SIZE if profile.data.kind == "scenes" else 1)


def control(labels: Collection[str]) -> str:
    """What +SCST+GEG is compared with: +SCST++, which trains as long; without such runs +SCST."""
    longer = OBJECTIVES["scst_pp"].label
    return longer if longer in labels else OBJECTIVES["scst"].label


def over_seeds(metrics: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of the rows of `Runs.metrics`: value, low and high; and sd, of the seeds.

    Bounds are averaged, too: they are of other test images, and say nothing of other seeds.
    """
    by = metrics.groupby(["model", "label", "metric"], sort=False)
    means = by[["value", "low", "high"]].mean()
    return means.assign(sd=by["value"].std()).reset_index()


def with_recalls(scores: pd.DataFrame, ks: tuple[int, ...] = (1, 5, 10)) -> pd.DataFrame:
    """Scores of captions with R@K of every column of ranks, by CLIP and by each judge."""
    suffixes = [name[4:] for name in map(str, scores) if re.match(r"rank( |$)", name)]
    recalls = {f"R@{k}{s}": 100.0 * (scores[f"rank{s}"] < k) for s in suffixes for k in ks}
    return scores.assign(**recalls)


def short(revision: str) -> str:
    """First eight hex digits of a commit, `+` kept: there were uncommitted changes."""
    return revision[:8] + ("+" if revision.endswith("+") else "")
