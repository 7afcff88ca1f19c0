"""Keeps the small files of finished runs under version control, in `results/`."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from bookkit.dag import experiments
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.runs import RunFolder

KEPT = ("config.yaml", "metrics.json", "captions.json", "training.json", "provenance.json")
"""Everything that tables and claims are computed from, but no weights."""


def archive(profile: Profile, folder: Path) -> list[Path]:
    """Copy the small files of all runs of a profile to `folder/<profile>/<run>/`.

    Nothing is deleted or overwritten: a run that is already there must be the same.

    Returns:
        The folders, one a run.

    Raises:
        DataError: a run is not finished, or another is kept under its name; nothing is copied then.
    """
    copies: list[tuple[Path, Path]] = []
    for experiment in experiments(profile).values():
        names = experiment.model, experiment.objective, experiment.seed
        run = RunFolder.of(profile.name, *names)
        if run.made_from("evaluation.json") is None:
            raise DataError(f"run {run.name} is not finished", "run `make book` first")
        copies += [(run.file(name), folder / profile.name / run.name / name) for name in KEPT]
    for source, target in copies:
        if target.exists() and not filecmp.cmp(source, target, shallow=False):
            raise DataError(
                f"{target} is of another run than {source}",
                f"keep this one elsewhere (--to FOLDER), or move {target.parent} away",
            )
    for source, target in copies:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return sorted({target.parent for _, target in copies})
