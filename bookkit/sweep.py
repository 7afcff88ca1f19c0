"""One setting of an objective tried at several values, judged on the validation split only.

    python -m bookkit.sweep --field rewards.geg_avg --values 0.5 1 2 --models transformer updown
    python -m bookkit.sweep --objective scst --field baseline --values greedy mean_of_others

trains each value from the start run of each captioner and seed, which is trained first where it is
missing, and writes what validation said to `results/sweeps/<profile>-<objective>-<field>.json`,
beside what training itself reported. No test picture is read. An interrupted sweep resumes; a value
that is done is not trained again. What the file has of other captioners, seeds and values stays.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gegcore.errors import ConfigError, DataError, in_words
from gegcore.experiment import train
from gegcore.experiment.train import missing_stages
from gegcore.materials import Materials
from gegcore.metrics.uncertainty import check_numbers
from gegcore.profiles import Profile, load_profile
from gegcore.provenance import environment
from gegcore.registry import file_name
from gegcore.runs import RunFolder
from gegcore.storage import read_json, write_json
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import start_accelerator

TRAINING = (
    *("reward", "reward_greedy", "positive_advantage", "length", "entropy", "bad_endings"),
    *("opening", "different"),
)
"""Columns of a run's log that a sweep keeps."""

_KEPT = ("best_epoch", "ended", "history", "seconds", "environment")  # of a run's record


def sweep_file(folder: Path, profile: str, objective: str, field: str) -> Path:
    """Where a sweep is kept."""
    if not re.fullmatch(r"[\w.:]+", field):
        raise ConfigError(
            f"'{field}' is no field",
            "name one of the objective, or rewards.NAME or loss_settings.NAME",
        )
    return folder / "sweeps" / f"{profile}-{objective}-{file_name(field)}.json"


def kept_at(path: Path) -> dict[str, Any]:
    """Before the work: what is kept there, to which it will add, if anything.

    Raises:
        DataError: it cannot be read, or not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"{path.parent}: {error.strerror}"
        raise DataError(what, "name another folder: --to FOLDER") from error
    return dict(read_json(path)) if path.exists() else {"entries": [], "shared": {}}


def check_same(
    before: dict[str, Any], path: Path, profile: Profile, models: Sequence[str], objective: str
) -> None:
    """DataError if what is kept of one of these captioners had other settings."""
    for model in models:
        now = _shared(profile.objective(objective, model), before.get("field", ""))
        if before["shared"].get(model, now) != now:
            what = f"{path} keeps a sweep of {model} with other settings"
            raise DataError(what, "move it away, or keep this one elsewhere: --to FOLDER")


def joined(before: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """Entries of an earlier sweep and of this one, which replaces those of the same runs."""

    def key(entry: dict[str, Any]) -> str:
        return str([entry[name] for name in ("model", "seed", "value")])

    new = {key(entry): entry for entry in found}
    return [*(new.pop(key(entry), entry) for entry in before), *new.values()]


def sweep(
    profile: Profile,
    models: Sequence[str],
    objective: str,
    field: str,
    values: Sequence[Any],
    seeds: Sequence[int],
    materials: Materials | None = None,
) -> dict[str, Any]:
    """Train an objective once per value of one of its fields, from the profile's own start runs.

    Args:
        field: of `ObjectiveConfig`, or a part of one: `rewards.NAME`, `loss_settings.NAME`.

    Returns: field, the settings that were the same in all runs of a captioner, and per captioner,
    seed and value the validation history (epoch 0 is the start run), the epoch that was kept, and
    means of the training log.

    Raises:
        ConfigError: no such field, or a value out of range.
        DataError: the objective starts from nothing.
    """
    materials = materials or Materials.of(profile, start_accelerator().device)
    if profile.objective(objective).start_from is None:
        raise DataError(
            f"objective '{objective}' starts from no other run: nothing to compare with",
            "sweep an objective that continues from another, such as scst_geg",
        )
    bases = {model: profile.objective(objective, model) for model in models}
    changed = {
        (model, value): profile.changed(model, objective, **{field: value})
        for model in models
        for value in values
    }
    entries = []
    for (model, value), seed in itertools.product(changed, seeds):
        for stage in missing_stages(changed[model, value], model, objective, seed):
            train(materials, model, stage, seed)
        run = train(materials.under(changed[model, value]), model, objective, seed)
        record = run.training()
        kept = {name: record[name] for name in _KEPT}
        about = {"model": model, "seed": seed, "value": value}
        entries.append({**about, **kept, "training": _by_epoch(run)})
    return {
        "profile": profile.name,
        "objective": objective,
        "field": field,
        "shared": {model: _shared(base, field) for model, base in bases.items()},
        "entries": entries,
        "environment": environment(),
    }


def _shared(base: ObjectiveConfig, field: str) -> dict[str, Any]:
    settings = base.model_dump(mode="json")
    name, _, part = field.partition(".")
    whole = settings.pop(name, {})  # no settings of a loss: none are written
    rest = {k: v for k, v in whole.items() if k != part} if part else None
    return settings if rest is None else {**settings, name: rest}


def _by_epoch(run: RunFolder) -> list[dict[Hashable, Any]]:
    """Means of the training log over each epoch, counted from 1 as in the validation history."""
    log = run.log()
    epoch = np.searchsorted(run.history()["step"], log["step"])
    means = log[[name for name in TRAINING if name in log]].groupby(epoch).mean()
    return means.rename_axis("epoch").reset_index().to_dict("records")


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--models", default=["transformer"], nargs="+")
    parser.add_argument("--objective", default="scst_geg")
    parser.add_argument("--field", required=True, help="of the objective: rewards.geg_avg, epochs")
    parser.add_argument("--values", required=True, nargs="+", help="YAML scalars")
    parser.add_argument("--seeds", type=int, default=[1], nargs="+")
    parser.add_argument("--to", type=Path, default=Path("results"), help="default: results")
    parsed = parser.parse_args(arguments)
    for seed in parsed.seeds:
        check_numbers({"seed": seed}, "--")
    values = [yaml.safe_load(value) for value in parsed.values]
    profile = load_profile(parsed.profile)
    profile.objective(parsed.objective)  # The path is made of its name.
    path = sweep_file(parsed.to, profile.name, parsed.objective, parsed.field)
    before = kept_at(path)
    check_same(before, path, profile, parsed.models, parsed.objective)
    found = sweep(profile, parsed.models, parsed.objective, parsed.field, values, parsed.seeds)
    shared, entries = (
        before["shared"] | found["shared"],
        joined(before["entries"], found["entries"]),
    )
    write_json(path, {**found, "shared": shared, "entries": entries})
    print(f"{len(found['entries'])} runs kept in {path}")


if __name__ == "__main__":
    sys.exit(main())
