"""Tables of one run: its metrics, its settings."""

from __future__ import annotations

import pandas as pd

from bookkit.report.page import Html, interval, number, styled
from bookkit.report.results import RunFolder
from gegcore.profiles import Profile
from gegcore.training.config import objective_config
from gegcore.training.recipes import recipe


def metrics_table(run: RunFolder) -> Html:
    """All metrics of one run, one a line."""
    found = run.metrics()
    rows = {
        name: {"value": number(name, one["value"]), "95 % interval": interval(name, *one["ci95"])}
        for name, one in found.items()
    }
    caption = f"{found['CIDEr']['n']:,} test images, greedy decoding; bootstrap over images."
    return styled(pd.DataFrame.from_dict(rows, orient="index"), caption)


def settings_table(profile: Profile, objective: str, model: str | None = None) -> Html:
    """What a profile sets for an objective, beside the defaults that it overrides.

    Args:
        model: also count its training recipe among the defaults.

    Raises:
        ConfigError: unknown objective or model.
    """
    usual = objective_config(objective, recipe(model, objective) if model else None)
    sides = {"here": profile.objective(objective, model), "default": usual}
    table = pd.DataFrame({name: config.model_dump() for name, config in sides.items()})
    table = table.drop(index="label").map(_plain)
    bold = pd.DataFrame({"here": table["here"] != table["default"], "default": False})
    caption = f"{usual.label}; bold: the profile overrides the default."
    return styled(table, caption, text=["here", "default"], bold=bold)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_plain, value))
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
