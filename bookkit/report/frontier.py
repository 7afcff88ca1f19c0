"""Runs of one objective that differ in the weights of its rewards alone: a frontier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gegcore.runs import EVALUATED, TRAINED, RunFolder

_NOT_COMPARED = {"name", "variant", "objectives", "objectives_by_model", "experiments"}


def settings(run: RunFolder) -> dict[str, Any]:
    """What `config.yaml` says: profile, model, objective and seed, in full."""
    return dict(yaml.safe_load(run.whole("config.yaml", TRAINED).read_text(encoding="utf-8")))


def rewards(objective: Mapping[str, Any]) -> dict[str, float]:
    """Weights of what an objective is rewarded for; none of one that imitates."""
    if objective.get("loss") != "self_critical":
        return {}
    older = {objective.get("clip_term"): objective.get("beta"), "cider": objective.get("alpha")}
    return objective.get("rewards") or {str(k): float(v) for k, v in older.items() if k and v}


def weight(run: RunFolder) -> float:
    """Of what is not CIDEr, against that of CIDEr."""
    found = rewards(settings(run)["objective"])
    return sum(w for name, w in found.items() if name != "cider") / found.get("cider", 1.0)


def neighbours(run: RunFolder) -> list[RunFolder]:
    """Other finished runs beside this one, of the same name and settings but for the weights."""
    stem = run.name.split("-seed")[0] + "-seed" + run.name.split("-seed")[1].split("-")[0]
    folders = [*run.path.parent.glob(f"{stem}-*"), Path(run.path.parent / stem)]
    others = (RunFolder(path) for path in sorted(folders) if path != run.path)
    finished = [other for other in others if other.file(EVALUATED).is_file()]
    return [other for other in finished if _shared(other) == _shared(run)]


def _shared(run: RunFolder) -> dict[str, Any]:
    found = settings(run)
    profile = {k: v for k, v in found["profile"].items() if k not in _NOT_COMPARED}
    objective = {k: v for k, v in found["objective"].items() if k not in {"rewards", "beta"}}
    return {**found, "profile": profile, "objective": objective}
