"""Every error that a user of gegcore can cause: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import wraps
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FAILS = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
FREE_ROOM = "free some room, then run it again: what is finished stays"


def printable(text: str) -> str:
    """In one line, with what could steer a terminal, or is no character, as Python escapes it."""
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in text)


SHOWN = 8


def some(items: Iterable[str], shown: int | None = SHOWN) -> str:
    """The first of many items, as a list in a sentence; the rest is counted."""
    every = list(items)
    more = len(every) - len(every[:shown])
    return ", ".join(every[:shown]) + (f" and {more:,} more" if more else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """What a misspelt name was to be, as the beginning of a fix; "" where none is like it."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'? " if near else ""


class GegError(Exception):
    """Base of all errors raised on purpose by gegcore.

    Args:
        what: names the thing at fault (file, field, value).
        fix: says what to do about it.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}\n  -> {fix}" if fix else what)


class ConfigError(GegError):
    """An unknown profile, model, objective or field, or a value out of range."""


class DataError(GegError):
    """Captions, images or annotations that cannot be used as they are."""


class ChecksumError(GegError):
    """A file whose content is not what its manifest says."""


class StorageError(GegError, OSError):
    """A file that cannot be written: no room, or no right to; for `except OSError`, too."""


class MissingDependencyError(GegError):
    """A package, asset or program that this step needs is not installed."""


class TrainingError(GegError):
    """Training cannot go on: NaN or Inf, collapsed samples, an unreadable checkpoint."""


class TrainingInterrupted(GegError):
    """Somebody asked training to stop by signal `number`; what it had learnt is saved."""

    def __init__(self, what: str, fix: str, number: int) -> None:
        self.number = number
        super().__init__(what, fix)


class ToolError(GegError):
    """A supervised program (Java) failed or gave no answer in time."""


@contextmanager
def writing(path: Path | str | None = None) -> Iterator[None]:
    """Turn what the system says against writing `path` into a `StorageError`.

    Without a path, around all that a command does: only that a disk is full, broken or read-only.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in FULL or "usable temporary" in str(error)  # what `tempfile` says
        if error.errno is None or not (path or full or error.errno in _FAILS):
            raise  # in words already, or about something else
        what = f"{path} cannot be written" if path else error.filename or "stopped"
        fix = FREE_ROOM if full else "mend its rights, or choose another folder"
        raise StorageError(f"{what}: {error.strerror}", fix) from error


def say(text: str) -> None:
    """An error on stderr, where names of files neither steer the terminal nor begin a line."""
    lines = (printable(line.removeprefix("  ")) for line in text.split("\n"))
    print("gegcore:", "\n  ".join(lines), file=sys.stderr)


Command = Callable[[Sequence[str] | None], int | None]


def in_words(command: Command) -> Callable[..., int]:
    """A command line whose own errors are said and not traced back: exit status 0, or 1."""

    @wraps(command)
    def main(arguments: Sequence[str] | None = None) -> int:
        try:
            with writing():
                return command(arguments) or 0
        except GegError as error:
            say(str(error))
            return 1

    return main
