"""`gegcore setup-spice`: the Java parts of SPICE that are too large for a package."""

from __future__ import annotations

import argparse
from pathlib import Path

from gegcore.commands.options import Commands


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    setup = commands.add_parser(
        "setup-spice", help="get CoreNLP 3.6.0, which the SPICE metric needs (385 MB, once)"
    )
    setup.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="copy it from a folder with its two jars, or from its zip, instead of a download",
    )
    setup.set_defaults(function=_setup)


def _setup(arguments: argparse.Namespace) -> None:
    from bookkit.spice_install import install_corenlp
    from gegcore.metrics.spice import spice_problem

    folder = install_corenlp(arguments.source)
    print(f"CoreNLP is in {folder}")
    print(spice_problem() or "SPICE is ready")
