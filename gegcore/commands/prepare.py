"""`gegcore prepare`: data, features, CLIP tables and groups of a profile."""

from __future__ import annotations

import argparse

from gegcore.commands.options import Commands, add_profile


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    prepare = commands.add_parser(
        "prepare", help="make data, features, CLIP tables and similar-image groups of a profile"
    )
    add_profile(prepare)
    prepare.add_argument(
        "--stage",
        choices=("data", "features", "clip", "groups"),
        help="make one stage and what it needs (default: all)",
    )
    prepare.set_defaults(function=_prepare)


def _prepare(arguments: argparse.Namespace) -> None:
    from gegcore.profiles import load_profile

    profile = load_profile(arguments.profile)
    from gegcore.materials import STAGES, Materials

    materials = Materials.of(profile)
    for stage in STAGES if arguments.stage is None else (arguments.stage,):
        materials.make(stage)
    print(f"{profile.name}: {arguments.stage or 'all stages'} ready in {materials.folder}")
