"""Keeps the small files of finished runs under version control, in `results/`."""

from __future__ import annotations

import filecmp
import re
from pathlib import Path

import numpy as np
import pandas as pd

from bookkit.experiments import experiments
from bookkit.report.frontier import variants
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.runs import EVALUATED, TRAINED, RunFolder
from gegcore.storage import atomic_write

KEPT = ("config.yaml", "metrics.json", "captions.json", "provenance.json", TRAINED, EVALUATED)
"""Everything that tables and claims are computed from, but no weights."""

SCORES = "scores.parquet"
"""Values of single captions, for intervals over families: a row an image, a column a metric."""

_PER_IMAGE = re.compile(r"CIDEr|ROUGE-L|GEG-(Avg|Min)|rank( .+)?|facts|true facts|listener R@1")


def small(scores: pd.DataFrame) -> pd.DataFrame:
    """Values of single captions as they are kept: a tenth of a run's own table."""
    kept = scores[["image_id", *(name for name in scores if _PER_IMAGE.fullmatch(str(name)))]]
    floats = dict.fromkeys(kept.select_dtypes("float64"), np.float32)
    return kept.astype(floats | dict.fromkeys(kept.select_dtypes("int64"), np.int32))


def archive(profile: Profile, folder: Path, finished: bool = False) -> list[Path]:
    """Copy the small files of all runs of a profile to `folder/<profile>/<run>/`.

    Those that differ in the weights of their rewards alone, a frontier, are kept beside them, and
    those that differ in K alone.

    Nothing is deleted or overwritten: a run that is already there must be the same.

    Args:
        finished: leave out runs that are not.

    Returns:
        The folders, one a run.

    Raises:
        DataError: a run is not finished, another is kept under its name, or `folder` is that of
            the runs; nothing is copied then.
        ChecksumError: files of a run are missing or damaged.
        StorageError: `folder` cannot be written.
    """
    copies: list[tuple[Path, Path]] = []
    beams = [f"beam{n}.{what}.json" for n in profile.beams for what in ("captions", "metrics")]
    files = (*KEPT, *beams)
    for experiment in experiments(profile).values():
        names = experiment.model, experiment.objective, experiment.seed
        run = profile.run(*names)
        if not run.file(EVALUATED).is_file():
            if finished:
                continue
            fix = "run `make book` first, or leave it out: --finished"
            raise DataError(f"run {run.name} is not finished", fix)
        name = RunFolder.of(profile.name, *names, profile.variant).name
        kept = {name: run} | {other.name: other for other in variants(run)}
        for name, each in kept.items():
            each.check(TRAINED)
            each.check(EVALUATED)
            copies += [(each.file(file), folder / profile.name / name / file) for file in files]
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
        if source.name == "metrics.json":
            values = pd.read_parquet(source.with_name("per_caption.parquet"))
            with atomic_write(target.with_name(SCORES), "wb") as stream:
                small(values).to_parquet(stream, compression="zstd", index=False)
    return sorted({target.parent for _, target in copies})
