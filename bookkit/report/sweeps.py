"""Stored sweeps: what validation said at every value of a setting that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bookkit.report.stored import STORED
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


def read_sweeps(profile: Profile, folder: Path = STORED) -> dict[tuple[str, str], Sweep]:
    """All stored sweeps of a profile: (objective, field) -> sweep.

    Raises:
        DataError: a file of another form.
    """
    found = {}
    for path in sorted((folder / "sweeps").glob(f"{profile.name}-*.json")):
        stored = read_json(path)
        if stored.get("profile") == profile.name and "field" in stored:
            try:
                found[stored["objective"], stored["field"]] = _sweep(stored)
            except (KeyError, TypeError) as error:
                what = f"{path} is no sweep as `bookkit.sweep` writes it now ({error!r})"
                raise DataError(what, "move it away, or run the sweep again") from error
    return found


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
