"""Stored sweeps: what validation said at every value of a setting that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bookkit.report.results import STORED
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.storage import read_json

_RUN = ("model", "seed", "value")


@dataclass(frozen=True)
class Sweep:
    """A sweep of one field of an objective, see `bookkit.sweep`.

    Attributes:
        validation: a row a captioner, seed, value and epoch: model, seed, value, epoch, CIDEr-D,
            R@1, ...; epoch 0 is the run that all start from.
        training: the same of the training log, epochs from 1.
        about: environment, and the settings that were shared.
    """

    validation: pd.DataFrame
    training: pd.DataFrame
    about: dict[str, Any]

    @property
    def ends(self) -> pd.DataFrame:
        """Validation after the last epoch, a row a captioner, seed and value."""
        return self.validation.groupby(list(_RUN), sort=False).tail(1)

    @property
    def last(self) -> pd.DataFrame:
        """Validation after the last epoch: model and value -> means over seeds."""
        return self.ends.groupby(["model", "value"], sort=False).mean(numeric_only=True)


def read_sweep(profile: Profile, objective: str, field: str, folder: Path = STORED) -> Sweep:
    """The stored sweep of a profile.

    Raises:
        DataError: there is none.
    """
    found = read_sweeps(profile, folder).get((objective, field))
    if found is None:
        raise DataError(
            f"no sweep of {field} is stored for profile {profile.name}",
            "take profile quick, or run `python -m bookkit.sweep --profile "
            f"{profile.name} --objective {objective} --field {field} --values ...`",
        )
    return found


def read_sweeps(profile: Profile, folder: Path = STORED) -> dict[tuple[str, str], Sweep]:
    """All stored sweeps of a profile: (objective, field) -> sweep."""
    read = map(read_json, sorted((folder / "sweeps").glob(f"{profile.name}-*.json")))
    own = [each for each in read if each.get("profile") == profile.name and "field" in each]
    return {(each["objective"], each["field"]): _sweep(each) for each in own}


def _sweep(stored: Mapping[str, Any]) -> Sweep:
    frames = {
        part: pd.concat(
            [
                pd.DataFrame(e.get(part, [])).assign(**{name: e[name] for name in _RUN})
                for e in stored["entries"]
            ],
            ignore_index=True,
        )
        for part in ("history", "training")
    }
    about = {name: value for name, value in stored.items() if name != "entries"}
    return Sweep(frames["history"], frames["training"], about)
