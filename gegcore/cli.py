"""The `gegcore` command: prepare what runs need, run or import an experiment, list profiles."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gegcore import __version__
from gegcore.errors import ConfigError, GegError, TrainingInterrupted
from gegcore.profiles import load_profile, profile_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns: exit status 0, 1 for an error the user can mend, 2 for usage, 128 + n after signal n.
    """
    parsed = _parser().parse_args(arguments)
    try:
        parsed.function(parsed)
    except TrainingInterrupted as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 128 + error.number
    except KeyboardInterrupt:  # outside training: what is half made is made again
        print("gegcore: interrupted; run it again to go on", file=sys.stderr)
        return 128 + signal.SIGINT
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gegcore", description="Distinctive image captioning, reproduced."
    )
    parser.add_argument("--version", action="version", version=f"gegcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    prepare = commands.add_parser(
        "prepare", help="make data, features, CLIP tables and similar-image groups of a profile"
    )
    _profile(prepare)
    prepare.add_argument(
        "--stage",
        choices=("data", "features", "clip", "groups"),
        help="make one stage and what it needs (default: all)",
    )
    prepare.set_defaults(function=_prepare)

    run = commands.add_parser("run", help="train and evaluate one experiment")
    _profile(run)
    run.add_argument("--model", default="transformer")
    run.add_argument("--objective", required=True, help="e.g. mle, then scst, then scst_geg")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument(
        "--precision",
        choices=("no", "bf16", "fp16"),
        help="mixed precision of training (default: what `accelerate launch` was told, else no)",
    )
    run.set_defaults(function=_run)

    _import_parser(commands)

    keep = commands.add_parser(
        "archive", help="copy metrics and captions of finished runs, no weights, to a folder"
    )
    _profile(keep)
    keep.add_argument("--to", type=Path, default=Path("results"), help="default: results")
    keep.set_defaults(function=_archive)

    listing = commands.add_parser("profiles", help="list the profiles")
    listing.set_defaults(function=lambda _: print("\n".join(profile_names())))
    return parser


def _import_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    load = commands.add_parser(
        "import-xmodaler",
        help="make the MLE run that SCST starts from, of a checkpoint of X-modaler",
    )
    load.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    load.add_argument("vocabulary", type=Path, metavar="VOCABULARY", help="its vocabulary.txt")
    load.add_argument("--model", required=True)
    _profile(load)
    load.add_argument("--seed", type=int, default=1)
    load.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that the shapes of the weights do not tell, such as heads=4",
    )
    load.set_defaults(function=_import)


def _profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", default="quick", help="name in config/ or a .yaml path (default: quick)"
    )


def _prepare(arguments: argparse.Namespace) -> None:
    profile = load_profile(arguments.profile)
    # Imported late: these load torch and CLIP, which `--help` need not wait for.
    from gegcore.prepare import STAGES, Materials

    materials = Materials.of(profile)
    for stage in STAGES if arguments.stage is None else (arguments.stage,):
        materials.make(stage)
    print(f"{profile.name}: {arguments.stage or 'all stages'} ready in {materials.folder}")


def _run(arguments: argparse.Namespace) -> None:
    profile = load_profile(arguments.profile)
    from gegcore.experiment import run_experiment
    from gegcore.training.distributed import finish

    names = arguments.model, arguments.objective, arguments.seed
    run = run_experiment(profile, *names, precision=arguments.precision)
    if not finish():
        return
    for name, metric in run.metrics().items():
        low, high = metric["ci95"]
        print(f"{name:8} {metric['value']:9.4f}   [{low:.4f}, {high:.4f}]")


def _import(arguments: argparse.Namespace) -> None:
    profile = load_profile(arguments.profile)
    settings = dict(_setting(text) for text in arguments.set)
    from gegcore.experiment.import_xmodaler import import_xmodaler

    run = import_xmodaler(
        profile,
        arguments.checkpoint,
        arguments.vocabulary,
        arguments.model,
        arguments.seed,
        settings,
    )
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


def _archive(arguments: argparse.Namespace) -> None:
    profile = load_profile(arguments.profile)
    from gegcore.report.archive import archive

    written = archive(profile, arguments.to)
    print(f"{len(written)} runs kept in {arguments.to / profile.name}")


if __name__ == "__main__":
    sys.exit(main())
