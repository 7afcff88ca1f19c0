"""Keeps the small files of finished runs under version control, in `results/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.runs import RunFolder

KEPT = ("config.yaml", "metrics.json", "captions.json", "training.json", "provenance.json")
"""Everything that tables and claims are computed from, but no weights."""


def archive(profile: Profile, folder: Path) -> list[Path]:
    """Copy the small files of all runs of a profile to `folder/<profile>/<run>/`.

    Returns:
        The folders written, one a run.

    Raises:
        DataError: a run is not finished; nothing is copied then.
    """
    grid = profile.experiments
    runs = [
        RunFolder.of(profile.name, model, objective, seed)
        for model in grid.models
        for objective in grid.objectives
        for seed in grid.seeds
    ]
    for run in runs:
        if run.made_from("evaluation.json") is None:
            raise DataError(f"run {run.name} is not finished", "run `make book` first")
    targets = []
    for run in runs:
        target = folder / profile.name / run.name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in KEPT:
            shutil.copyfile(run.file(name), target / name)
        targets.append(target)
    return targets
