"""Stored sweeps: what validation said at every value of a setting that was tried."""

from __future__ import annotations

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
    def last(self) -> pd.DataFrame:
        """Validation after the last epoch: model and value -> means over seeds."""
        last = self.validation.groupby(["model", "seed", "value"]).tail(1)
        return last.groupby(["model", "value"], sort=False).mean(numeric_only=True)


def read_sweep(profile: Profile, objective: str, field: str, folder: Path = STORED) -> Sweep:
    """The stored sweep of a profile.

    Raises:
        DataError: there is none.
    """
    path = folder / "sweeps" / f"{profile.name}-{objective}-{field}.json"
    if not path.is_file():
        raise DataError(
            f"no sweep of {field} is stored for profile {profile.name}",
            "take profile quick, or run `python -m bookkit.sweep --profile "
            f"{profile.name} --objective {objective} --field {field} --values ...`",
        )
    found = read_json(path)
    frames = {
        part: pd.concat(
            [
                pd.DataFrame(e.get(part, [])).assign(**{name: e[name] for name in _RUN})
                for e in found["entries"]
            ],
            ignore_index=True,
        )
        for part in ("history", "training")
    }
    about = {name: value for name, value in found.items() if name != "entries"}
    return Sweep(frames["history"], frames["training"], about)
