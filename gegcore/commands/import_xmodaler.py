"""`gegcore import-xmodaler`: a published checkpoint as the run that SCST or GEG starts from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from gegcore.commands.options import Commands, add_profile
from gegcore.errors import ConfigError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    load = commands.add_parser(
        "import-xmodaler",
        help="make the run that SCST or GEG starts from, of a checkpoint of X-modaler",
    )
    load.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    load.add_argument("vocabulary", type=Path, metavar="VOCABULARY", help="its vocabulary.txt")
    load.add_argument("--model", required=True)
    load.add_argument(
        "--objective",
        choices=("mle", "scst"),
        default="mle",
        help="what it was trained with (default: mle); +SCST+GEG starts from scst",
    )
    add_profile(load)
    load.add_argument("--seed", type=int, default=1)
    load.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that the shapes of the weights do not tell, such as heads=4",
    )
    load.set_defaults(function=_import)


def _import(arguments: argparse.Namespace) -> None:
    settings = dict(_setting(text) for text in arguments.set)
    from gegcore.interop.import_xmodaler import import_xmodaler
    from gegcore.metrics.uncertainty import check_numbers
    from gegcore.profiles import load_profile

    check_numbers({"seed": arguments.seed}, "--")
    files = arguments.checkpoint, arguments.vocabulary
    profile = load_profile(arguments.profile)
    names = arguments.model, arguments.objective, arguments.seed
    run = import_xmodaler(profile, *files, *names, settings)
    cider = run.history()["CIDEr-D"].iloc[0]
    print(f"{run.name}: imported to {run.path}, validation CIDEr-D {cider:.2f}")


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    error = ConfigError(f"--set {text!r} is no KEY=VALUE", "write e.g. --set heads=4")
    if not equals or not key:
        raise error
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as cause:
        raise error from cause
