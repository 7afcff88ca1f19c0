"""`gegcore run`: train and evaluate one experiment."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from gegcore.commands.options import Commands, add_profile, say_calibration

if TYPE_CHECKING:
    from gegcore.profiles import Profile


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="train and evaluate one experiment")
    add_profile(run)
    run.add_argument("--model", default="transformer")
    run.add_argument(
        "--objective", required=True, help="e.g. scst_geg; stages before it come first"
    )
    run.add_argument("--seed", type=int, default=1)
    run.add_argument(
        "--precision",
        choices=("no", "bf16", "fp16"),
        help="mixed precision of training (default: what `accelerate launch` was told, else no)",
    )
    run.add_argument(
        "--again",
        action="store_true",
        help="train anew what older code made, or what is damaged; the old run is kept beside it",
    )
    run.add_argument(
        "--set",
        dest="changes",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="other settings of the objective, for a run in a folder of its own: epochs=3, "
        "rewards.geg_avg=2, loss_settings.weight=0.1",
    )
    run.set_defaults(function=_run)


def _changes(given: list[str]) -> dict[str, Any]:
    """Fields and their new values.

    Raises:
        ConfigError: a text that is no field and value, or a null of a field that has none.
    """
    import yaml

    from gegcore.errors import ConfigError
    from gegcore.training.config import NULLABLE

    changes = {}
    for text in given:
        field, equals, value = text.partition("=")
        error = ConfigError(f"--set {text}: no field and value", "for example --set epochs=3")
        if not field or not equals:
            raise error
        try:
            changes[field] = yaml.safe_load(value)
        except yaml.YAMLError as cause:
            raise error from cause
        if changes[field] is None and field not in NULLABLE:
            what = f"--set {text}: '{field}' cannot be null"
            raise ConfigError(what, f"what can be: {', '.join(sorted(NULLABLE))}")
    return changes


def _changed(profile: Profile, arguments: argparse.Namespace, changes: dict[str, Any]) -> Profile:
    """The profile with these changes; ConfigError where the objective, or one of them, is wrong."""
    from gegcore.errors import ConfigError
    from gegcore.profile_fields import check_names

    profile.stages(arguments.objective, arguments.model)  # which is no fault of the changes
    if not changes:
        return profile
    try:
        changed = profile.changed(arguments.model, arguments.objective, **changes)
        check_names(changed, f"profile {profile.name!r}")
    except ConfigError as error:
        raise ConfigError(error.what, f"in --set: {error.fix}") from error
    return changed


def _run(arguments: argparse.Namespace) -> None:
    from gegcore.metrics.uncertainty import check_numbers

    check_numbers({"seed": arguments.seed}, "--")
    from gegcore.profiles import load_profile

    changes = _changes(arguments.changes)
    profile = _changed(load_profile(arguments.profile), arguments, changes)
    from gegcore.experiment import run_experiment
    from gegcore.experiment.train import before, missing_stages
    from gegcore.training.distributed import finish

    model, objective, seed = arguments.model, arguments.objective, arguments.seed
    for stage in missing_stages(profile, model, objective, seed):
        if os.environ.get("RANK", "0") == "0":  # of several processes one says it
            print(f"{stage}, which {objective} builds on, is trained first", file=sys.stderr)
        run_experiment(before(profile), model, stage, seed, precision=arguments.precision)
    given = {"precision": arguments.precision, "again": arguments.again}
    run = run_experiment(profile, model, objective, seed, **given)
    if not finish():
        return
    print(run.path)
    if found := run.calibration():
        say_calibration(found)
    for name, metric in run.metrics().items():
        low, high = metric["ci95"]
        print(f"{name:8} {metric['value']:9.4f}   [{low:.4f}, {high:.4f}]")
