"""Runs of one objective that differ in the weights of its rewards alone, a frontier; or in K.

A reward that is left out is no weight of it: such a run is an ablation, and none of the frontier.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gegcore.runs import EVALUATED, TRAINED, RunFolder

_NOT_COMPARED = {"name", "variant", "objectives", "objectives_by_model", "experiments"}


def settings(run: RunFolder) -> dict[str, Any]:
    """What `config.yaml` says: profile, model, objective and seed, in full."""
    return dict(_parsed(run.whole("config.yaml", TRAINED).read_text(encoding="utf-8")))


@cache
def _parsed(text: str) -> dict[str, Any]:
    """YAML takes a tenth of a second, and a run is compared with several."""
    return dict(yaml.safe_load(text))


def rewards(objective: Mapping[str, Any]) -> dict[str, float]:
    """Weights of what an objective is rewarded for; none of one that imitates.

    What imitates starts from scratch; a loss of somebody else's that starts from a run is rewarded.
    """
    if objective.get("loss") == "cross_entropy" or not objective.get("start_from"):
        return {}
    older = {objective.get("clip_term"): objective.get("beta"), "cider": objective.get("alpha")}
    return objective.get("rewards") or {str(k): float(v) for k, v in older.items() if k and v}


def weight(run: RunFolder) -> float:
    """Of what is not CIDEr, against that of CIDEr."""
    found = _weights(run)
    return sum(w for name, w in found.items() if name != "cider") / found.get("cider", 1.0)


def neighbours(run: RunFolder) -> list[RunFolder]:
    """Other finished runs beside this one, of the same name and settings but for the weights."""
    return [other for other in _beside(run) if _shared(other) == _shared(run)]


def variants(run: RunFolder) -> list[RunFolder]:
    """Its `neighbours`, and finished runs beside this one that differ from it in K alone."""
    return [*neighbours(run), *(other for other in _beside(run) if _differs_in_k(other, run))]


def group_size(run: RunFolder) -> int:
    """K: pictures in a similar group."""
    return int(settings(run)["profile"]["group_size"])


def _beside(run: RunFolder) -> list[RunFolder]:
    """Finished runs of the same captioner, objective and seed, whatever else they were told."""
    stem = run.name.split("-seed")[0] + "-seed" + run.name.split("-seed")[1].split("-")[0]
    folders = [*run.path.parent.glob(f"{stem}-*"), Path(run.path.parent / stem)]
    others = (RunFolder(path) for path in sorted(folders) if path != run.path)
    return [other for other in others if other.file(EVALUATED).is_file()]


def _differs_in_k(other: RunFolder, run: RunFolder) -> bool:
    free = {"group_size"}
    return (
        group_size(other) != group_size(run)
        and _weights(other) == _weights(run)
        and _shared(other, free) == _shared(run, free)
    )


def _weights(run: RunFolder) -> dict[str, float]:
    return rewards(settings(run)["objective"])


def _shared(run: RunFolder, but: Collection[str] = ()) -> dict[str, Any]:
    """Settings without the weights and these fields of the profile."""
    found = settings(run)
    profile = {k: v for k, v in found["profile"].items() if k not in {*_NOT_COMPARED, *but}}
    objective = {k: v for k, v in found["objective"].items() if k not in {"rewards", "beta"}}
    rewarded = sorted(rewards(found["objective"]))
    return {**found, "profile": profile, "objective": {**objective, "rewarded": rewarded}}
