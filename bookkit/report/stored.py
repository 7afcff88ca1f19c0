"""What the repository keeps of finished runs: where it lies, and how it is read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bookkit.report.archive import SCORES
from bookkit.report.paper import MODEL_NAMES
from gegcore.errors import ChecksumError
from gegcore.models.registry import ARCHITECTURES
from gegcore.profiles import Profile, load_profile, profile_names
from gegcore.registry import file_name
from gegcore.runs import EVALUATED, RunFolder
from gegcore.training.config import OBJECTIVES

STORED = Path(__file__).resolve().parents[2] / "results"
"""What the repository keeps of finished runs: `<profile>/<run>/`, see `archive`."""

RunName = tuple[str, str, int]


def profiles_of_config() -> dict[str, Profile]:
    """Profiles of `config/` by the name of their file; the runs of two of one name lie together."""
    return {stem: load_profile(stem, look_up=False) for stem in profile_names()}


def stored_runs(profile: Profile) -> dict[RunName, RunFolder]:
    """Finished runs in `results/<profile>/` of objectives that the profile knows.

    Models, objectives and seeds are in order.
    """
    known = {file_name(name): name for name in [*ARCHITECTURES, *profile.models]}
    objectives = list(dict.fromkeys([*OBJECTIVES, *profile.objectives]))
    found = {}
    for file in sorted((STORED / profile.name).glob(f"*-seed*/{EVALUATED}")):
        model, objective, seed = file.parent.name.rsplit("-", 2)
        if objective in objectives:
            run = known.get(model, model), objective, int(seed.removeprefix("seed"))
            found[run] = RunFolder(file.parent)
    models = list(dict.fromkeys([*MODEL_NAMES, *(model for model, _, _ in found)]))
    order = sorted(found, key=lambda n: (models.index(n[0]), objectives.index(n[1]), n[2]))
    return {name: found[name] for name in order}


def kept_scores(run: RunFolder) -> pd.DataFrame:
    """Values of single captions of a stored run that keeps them, see `archive.small`.

    Raises:
        ChecksumError: they are not those that the run's own CIDEr is the mean of.
    """
    values, whole = pd.read_parquet(run.file(SCORES)), run.metrics()["CIDEr"]
    if abs(values["CIDEr"].mean() - whole["value"]) > 0.01:
        what = f"{run.file(SCORES)} has another CIDEr than {run.name} itself"
        raise ChecksumError(what, "restore the folder from git")
    return values
