"""Keeps the small files of finished runs under version control, in `results/`."""

from __future__ import annotations

import filecmp
from pathlib import Path

from bookkit.dag import experiments
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.runs import EVALUATED, TRAINED, RunFolder
from gegcore.storage import atomic_write

KEPT = ("config.yaml", "metrics.json", "captions.json", "provenance.json", TRAINED, EVALUATED)
"""Everything that tables and claims are computed from, but no weights."""


def archive(profile: Profile, folder: Path) -> list[Path]:
    """Copy the small files of all runs of a profile to `folder/<profile>/<run>/`.

    Nothing is deleted or overwritten: a run that is already there must be the same.

    Returns:
        The folders, one a run.

    Raises:
        DataError: a run is not finished, another is kept under its name, or `folder` is that of
            the runs; nothing is copied then.
        ChecksumError: files of a run are missing or damaged.
        StorageError: `folder` cannot be written.
    """
    copies: list[tuple[Path, Path]] = []
    for experiment in experiments(profile).values():
        names = experiment.model, experiment.objective, experiment.seed
        run = profile.run(*names)
        if not run.file(EVALUATED).is_file():
            raise DataError(f"run {run.name} is not finished", "run `make book` first")
        run.check(TRAINED)
        run.check(EVALUATED)
        kept = folder / profile.name / RunFolder.of(profile.name, *names, profile.variant).name
        copies += [(run.file(name), kept / name) for name in KEPT]
    for source, target in copies:
        if target.exists() and target.samefile(source):
            raise DataError(f"{folder} is where the runs are", "keep them elsewhere: --to FOLDER")
        if target.exists() and not filecmp.cmp(source, target, shallow=False):
            raise DataError(
                f"{target} is of another run than {source}",
                f"keep this one elsewhere (--to FOLDER), or move {target.parent} away",
            )
    for source, target in copies:
        with atomic_write(target, "wb") as stream:
            stream.write(source.read_bytes())
    return sorted({target.parent for _, target in copies})
