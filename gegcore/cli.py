"""The `gegcore` command: parses, runs one of `gegcore.commands`, puts errors into words."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from functools import partial

from gegcore import __version__, registry
from gegcore.commands import evaluate, import_xmodaler, prepare, run
from gegcore.commands.options import Commands
from gegcore.errors import GegError, TrainingInterrupted, writing

COMMANDS = (prepare, run, evaluate, import_xmodaler)
"""In the order of `gegcore --help`; those that other packages announce follow."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns: exit status 0, 1 for an error the user can mend, 2 for usage, 128 + n after signal n.
    """
    parsed = _parser().parse_args(arguments)
    try:
        with writing():
            parsed.function(parsed)
    except KeyboardInterrupt:  # outside training: what is half made is made again
        print("gegcore: interrupted; run it again to go on", file=sys.stderr)
        return 128 + signal.SIGINT
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 128 + error.number if isinstance(error, TrainingInterrupted) else 1
    except ModuleNotFoundError as error:
        print(f"gegcore: {error}\n  -> pip install {error.name}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gegcore", description="Distinctive image captioning, reproduced."
    )
    parser.add_argument("--version", action="version", version=f"gegcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    for name in registry.names("command"):
        _add_announced(name, commands)
    listing = commands.add_parser("profiles", help="list the profiles")
    listing.set_defaults(function=_list_profiles)
    return parser


def _add_announced(name: str, commands: Commands[argparse.ArgumentParser]) -> None:
    """Add another package's command; what is wrong with it is said when it is called."""
    try:
        registry.find("command", name).add(commands)
    except Exception as error:
        # No prefix: its options are not known, and whatever they are, the error is said.
        broken = commands.add_parser(
            name, help="cannot be loaded: call it to see why", add_help=False, prefix_chars="\0"
        )
        broken.add_argument("options", nargs="*")
        said = error if isinstance(error, GegError) else GegError(f"command {name}: {error!r}")
        broken.set_defaults(function=partial(_fail, said))


def _fail(error: GegError, _: argparse.Namespace) -> None:
    raise error


def _list_profiles(_: argparse.Namespace) -> None:
    from gegcore.profiles import profile_names

    print("\n".join(profile_names()))


if __name__ == "__main__":
    sys.exit(main())
