"""`gegcore archive`: what the published book is made from, without weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from gegcore.commands.options import Commands, add_profile


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    keep = commands.add_parser(
        "archive", help="copy metrics and captions of finished runs, no weights, to a folder"
    )
    add_profile(keep)
    keep.add_argument("--to", type=Path, default=Path("results"), help="default: results")
    keep.add_argument(
        "--finished", action="store_true", help="what there is of a grid that is still computed"
    )
    keep.set_defaults(function=_archive)


def _archive(arguments: argparse.Namespace) -> None:
    from gegcore.profiles import load_profile

    profile = load_profile(arguments.profile)
    from bookkit.report.archive import archive
    from bookkit.report.crate import write_crate

    written = archive(profile, arguments.to, arguments.finished)
    write_crate(arguments.to)
    print(f"{len(written)} runs kept in {arguments.to / profile.name}")
