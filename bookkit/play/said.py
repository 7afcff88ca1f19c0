"""What runs said of the test pictures, for a browser: captions, their facts, ranks and gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from bookkit.play.pictures import Pictures
from bookkit.report.archive import SCORES
from bookkit.report.frontier import group_size, rewards, settings, variants
from bookkit.report.results import Runs
from bookkit.report.stored import kept_scores
from emoji_scenes.scenes.facts import Atom
from emoji_scenes.scenes.parse import Fact, facts_of
from gegcore.runs import RunFolder

_TEN_THOUSANDTH = 10_000  # gaps are kept as whole numbers of these

SHOWN = ("CIDEr", "R@1", "R@5", "GEG-Avg", "GEG-Min", "fact precision")
"""Metrics of a run that the page shows."""


@dataclass(frozen=True)
class Stage:
    """A run, as a reader finds it.

    Attributes:
        name: its objective, and what of it is unlike the profile: "scst_geg", "scst_geg,beta=2".
        label: the same in words.
        changed: "beta", "alpha" or "K" -> its value, where it is unlike the profile's.
    """

    run: RunFolder
    model: str
    objective: str
    seed: int
    label: str
    changed: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ",".join([self.objective, *(f"{k}={v:g}" for k, v in self.changed.items())])

    @property
    def said(self) -> str:
        return ", ".join([self.label, *(f"{k} {v:g}" for k, v in self.changed.items())])


class Listed(NamedTuple):
    """Runs of a profile, and the same as stages."""

    runs: Runs
    stages: list[Stage]

    @classmethod
    def of(cls, runs: Runs) -> Listed:
        return cls(runs, stages_of(runs))


def stages_of(runs: Runs) -> list[Stage]:
    """All runs with captions, in the order of the tables; after each its variants."""
    found = []
    for (model, objective, seed), run in runs.folders.items():
        label = runs.profile.objective(objective).label or objective
        found.append(Stage(run, model, objective, seed, label))
        others = [
            Stage(other, model, objective, seed, label, _changed(other, run))
            for other in variants(run)
        ]
        found += sorted(others, key=lambda stage: sorted(stage.changed.items()))
    return [stage for stage in found if stage.run.file("captions.json").is_file()]


def weights_of(run: RunFolder) -> dict[str, float]:
    """alpha, the weight of CIDEr; beta, of all else that is rewarded; and K."""
    found = rewards(settings(run)["objective"])
    beta = sum(weight for name, weight in found.items() if name != "cider")
    return {"alpha": found.get("cider", 0.0), "beta": beta, "K": group_size(run)}


def _changed(other: RunFolder, run: RunFolder) -> dict[str, float]:
    here, there = weights_of(run), weights_of(other)
    return {name: value for name, value in there.items() if value != here[name]}


def said_by(stages: Sequence[Stage], pictures: Pictures) -> dict[str, Any]:
    """Captions and numbers of some runs, as JSON.

    `captions`: each different one; `facts`: what each states, as places in `fact`: (kind, words,
    number of its meaning, atoms of which one must hold); `runs`: of each run, for every picture,
    `said`: place of its caption, -1: none; `rank` from 1, `average` and `minimum`: gaps in
    ten-thousandths, or None where values of single captions are not kept.
    """
    captions = [pd.Series(stage.run.captions()).reindex(pictures.ids) for stage in stages]
    places, texts = pd.factorize(pd.concat(captions))
    said = places.reshape(len(stages), len(pictures.ids)).tolist()
    numbers = [_numbers(values_of(stage.run), pictures.ids) for stage in stages]
    found: dict[str, Any] = {
        "captions": texts.tolist(),
        "runs": [{"said": row, **rest} for row, rest in zip(said, numbers, strict=True)],
    }
    return {**found, **facts_in(found["captions"], pictures.atoms)} if pictures.holds else found


def values_of(run: RunFolder) -> pd.DataFrame | None:
    """Values of single captions: a run's own, or those kept with a stored one; else None."""
    if run.file("per_caption.parquet").is_file():
        return run.per_caption()
    return kept_scores(run) if run.file(SCORES).is_file() else None


def _numbers(values: pd.DataFrame | None, ids: list[int]) -> dict[str, list[int | None]]:
    if values is None:
        return {}
    table = values.set_index("image_id").reindex(ids)
    scales = {"rank": ("rank", 1, 1), "GEG-Avg": ("average", _TEN_THOUSANDTH, 0)}
    scales["GEG-Min"] = ("minimum", _TEN_THOUSANDTH, 0)
    return {
        name: _whole(table[column] * scale + more)
        for column, (name, scale, more) in scales.items()
        if column in table
    }


def _whole(numbers: pd.Series) -> list[int | None]:
    rounded = numbers.astype(float).round().astype("Int64").astype(object)
    return list(rounded.where(rounded.notna(), None))


def facts_in(captions: Iterable[str], atoms: Mapping[Atom, int]) -> dict[str, Any]:
    """What captions state: `facts` and `fact` of `said_by`.

    Atoms that hold of no picture are left out: a fact of such atoms alone is false everywhere.
    """
    numbers: dict[Fact, int] = {}
    meanings: dict[tuple[str, frozenset[Atom]], int] = {}
    stated = [
        [numbers.setdefault(fact, len(numbers)) for fact in facts_of(caption)]
        for caption in captions
    ]
    table = [
        [
            fact.kind,
            fact.words,
            meanings.setdefault((fact.kind, fact.atoms), len(meanings)),
            sorted(atoms[atom] for atom in fact.atoms if atom in atoms),
        ]
        for fact in numbers
    ]
    return {"facts": stated, "fact": table}
