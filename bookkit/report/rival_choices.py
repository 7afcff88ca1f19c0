"""The rules of `book/preregistration.md` for settings of the rivals and of our own reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from bookkit.report.choices import LEAST_SHARE
from bookkit.report.preregistered import OURS, SHARE, START
from bookkit.report.sweeps import Sweep
from gegcore.profiles import Profile
from gegcore.training.own_loss import loss_settings

Sweeps = Mapping[tuple[str, str], Sweep]


def largest_that_keeps(sweep: Sweep) -> float:
    """The largest weight that keeps 90 % of the CIDEr-D of weight 0, after the last epoch.

    Weight 0 is the captioner's own +SCST++: CIDEr-D alone for as many epochs.

    Raises:
        ValueError: none does, or weight 0 was not tried.
    """
    left = sweep.ends.groupby("value")["CIDEr-D"].mean()
    if 0 not in left.index:
        raise ValueError("weight 0 was not tried")
    kept = [weight for weight in left.index if weight and left[weight] > LEAST_SHARE * left[0]]
    if not kept:
        raise ValueError("no weight keeps 90 % of the CIDEr-D of weight 0")
    return float(max(kept, key=abs))


def most_distinctive(sweep: Sweep) -> float:
    """The value with the highest R@1 of the epoch that is reported, that of the highest R@1."""
    best = sweep.validation.groupby(["value", "seed"])["R@1"].max()
    return _highest(best.groupby("value").mean())


def anchor_by_rule(sweep: Sweep, plain: Sweep) -> float:
    """Lambda of the highest R@1 among those that keep 95 % of the CIDEr-D of +SCST++.

    Both after the last epoch, as means over seeds.

    Raises:
        ValueError: none keeps it.
    """
    means = sweep.ends.groupby("value")[["CIDEr-D", "R@1"]].mean()
    without = plain.ends[plain.ends["model"].isin(sweep.ends["model"])]["CIDEr-D"].mean()
    sound = means[means["CIDEr-D"] >= SHARE * without]
    if sound.empty:
        raise ValueError(f"no lambda keeps {100 * SHARE:.0f} % of the CIDEr-D of +SCST++")
    return _highest(sound["R@1"])


def _highest(by_value: pd.Series) -> float:
    return float(by_value.reset_index().sort_values("R@1")["value"].iloc[-1])


class Choice(NamedTuple):
    """A setting that a sweep chooses.

    Attributes:
        values: those that were written down, beside weight 0 where a rule compares with it.
        rule: of this sweep, and of those of `beside`, by objective and field.
    """

    setting: str
    model: str
    objective: str
    field: str
    values: tuple[float, ...]
    rule: Callable[..., float]
    seeds: tuple[int, ...] = (11,)
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def command(self) -> str:
        """What makes the sweep."""
        asked = f"--models {self.model} --objective {self.objective} --field {self.field}"
        # YAML takes 2e-05 for a word.
        values = " ".join(np.format_float_positional(value, trim="-") for value in self.values)
        seeds = " ".join(map(str, self.seeds))
        return f"python -m bookkit.sweep --profile rivals {asked} --values {values} --seeds {seeds}"

    def says(self, sweeps: Sweeps) -> float | None:
        """What the rule says; None as long as a sweep is not stored. ValueError as the rules."""
        wanted = (self.objective, self.field), *self.beside
        return self.rule(*map(sweeps.get, wanted)) if sweeps.keys() >= {*wanted} else None

    def used(self, profile: Profile) -> float:
        """What a profile has."""
        config = profile.objective(self.objective, self.model)
        name, _, part = self.field.partition(".")
        if name == "loss_settings":
            return float(getattr(loss_settings(config), part))
        return float(config.rewards[part] if part else getattr(config, name))


CHOICES = (
    Choice(
        setting="Disc-Cap: contrastive loss",
        model="attention",
        objective="disc_cap",
        field="loss_settings.weight",
        values=(0, 1, 3, 10),
        rule=largest_that_keeps,
    ),
    Choice(
        setting="CIDErBtw-Cap: CIDErBtw",
        model="transformer",
        objective="ciderbtw_cap",
        field="rewards.rivals.ciderbtw_cap:CiderBetween",
        values=(0, -0.1, -0.2, -0.4),
        rule=largest_that_keeps,
    ),
    Choice(
        setting="Gdis-Cap: distinctive words",
        model="rivals.gdis_cap:GdisCap",
        objective="gdis_cap",
        field="rewards.rivals.gdis_cap:DistinctiveWords",
        values=(0, 0.25, 0.5, 1),
        rule=largest_that_keeps,
    ),
    Choice(
        setting="DiCO: learning rate",
        model="transformer",
        objective="dico",
        field="learning_rate",
        values=(2e-5, 5e-5, 1e-4),
        rule=most_distinctive,
    ),
    Choice(
        setting="ours: anchor",
        model="transformer",
        objective=OURS,
        field="loss_settings.kl",
        values=(0, 0.01, 0.02, 0.05),
        rule=anchor_by_rule,
        seeds=(11, 12),
        beside=((START, "epochs"),),
    ),
)


def table(profile: Profile, sweeps: Sweeps) -> pd.DataFrame:
    """A row a setting: what was tried, what the rule says, and what the profile has."""
    rows = {}
    for choice in CHOICES:
        try:
            said = choice.says(sweeps)
            says = "no sweep stored" if said is None else f"{said:g}"
        except ValueError as error:
            says = str(error)
        values = ", ".join(f"{value:g}" for value in choice.values)
        used = f"{choice.used(profile):g}"
        rows[choice.setting] = {"values": values, "the rule says": says, "used": used}
    return pd.DataFrame.from_dict(rows, "index")
