"""Stored sweeps: what validation said at every value of a setting that was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bookkit.report.results import STORED
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.storage import read_json


@dataclass(frozen=True)
class Sweep:
    """A sweep of one field of an objective, see `bookkit.sweep`.

    Attributes:
        validation: a row a value and epoch: value, epoch, CIDEr-D, R@1, ...; epoch 0 is the run
            that all start from.
        training: the same of the training log, epochs from 1.
        about: model, seed, environment, and the settings that were shared.
    """

    validation: pd.DataFrame
    training: pd.DataFrame
    about: dict[str, Any]

    @property
    def last(self) -> pd.DataFrame:
        """Validation after the last epoch, a row a value, in ascending order."""
        return self.validation.groupby("value").tail(1).set_index("value").sort_index()


def read_sweep(profile: Profile, objective: str, field: str) -> Sweep:
    """The stored sweep of a profile.

    Raises:
        DataError: there is none.
    """
    path = STORED / "sweeps" / f"{profile.name}-{objective}-{field}.json"
    if not path.is_file():
        raise DataError(
            f"no sweep of {field} is stored for profile {profile.name}",
            "take profile quick, or run `python -m bookkit.sweep --profile "
            f"{profile.name} --objective {objective} --field {field} --values ...`",
        )
    found = read_json(path)
    frames = {
        part: pd.concat(
            [pd.DataFrame(e.get(part, [])).assign(value=e["value"]) for e in found["entries"]],
            ignore_index=True,
        )
        for part in ("history", "training")
    }
    about = {name: value for name, value in found.items() if name != "entries"}
    return Sweep(frames["history"], frames["training"], about)
