"""The `gegcore` command: parses, runs one of `gegcore.commands`, puts errors into words."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from typing import Any

from gegcore import __version__, registry
from gegcore.commands import evaluate, import_xmodaler, prepare, run, setup_spice
from gegcore.errors import GegError, TrainingInterrupted

COMMANDS = (prepare, run, evaluate, import_xmodaler, setup_spice)
"""In the order of `gegcore --help`; those that other packages announce follow."""


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
    for command in (*COMMANDS, *map(_announced, registry.names("command"))):
        command.add(commands)
    listing = commands.add_parser("profiles", help="list the profiles")
    listing.set_defaults(function=_list_profiles)
    return parser


def _announced(name: str) -> Any:
    return importlib.import_module(registry.module(name, "command"))


def _list_profiles(_: argparse.Namespace) -> None:
    from gegcore.profiles import profile_names

    print("\n".join(profile_names()))


if __name__ == "__main__":
    sys.exit(main())
