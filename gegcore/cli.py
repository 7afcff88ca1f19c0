"""The `gegcore` command: parses, runs one of `gegcore.commands`, puts errors into words."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType

from gegcore import __version__, registry
from gegcore.commands import import_xmodaler, prepare, run
from gegcore.commands.options import Commands
from gegcore.errors import GegError, TrainingInterrupted, say, writing
from gegcore.metrics.java import allow_new, end_all

COMMANDS = (prepare, run, import_xmodaler)
"""In the order of `gegcore --help`; those that other packages announce follow."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns: exit status 0, 1 for an error the user can mend, 2 for usage, 128 + n after signal n.
    """
    # What is ignored (nohup) stays ignored; training has handlers of its own (`StopRequest`).
    ending = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    ours = [number for number in ending if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # Python allows handlers there only.
    allow_new(True)  # Not at the end: a thread may still be starting what a signal has ended.
    try:
        for number in ours:
            signal.signal(number, _end)
        parsed = _parser().parse_args(arguments)
        with writing():
            parsed.function(parsed)
    except KeyboardInterrupt as stopped:  # outside training: what is half made is made again
        print("gegcore: interrupted; run it again to go on", file=sys.stderr)
        return 128 + (stopped.args or [signal.SIGINT])[0]
    except GegError as error:
        say(str(error))
        return 128 + error.number if isinstance(error, TrainingInterrupted) else 1
    except ModuleNotFoundError as error:
        say(f"{error}\n  -> pip install {error.name}")
        return 1
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
    return 0


def _end(number: int, _: FrameType | None) -> None:
    """SIGTERM and SIGHUP as Ctrl-C: Java's processes are ended at once, folders removed."""
    signal.signal(number, signal.SIG_IGN)  # Launchers send it twice, which is no impatience.
    allow_new(False)
    end_all()
    raise KeyboardInterrupt(number)


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
