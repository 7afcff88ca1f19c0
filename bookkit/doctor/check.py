"""One check: what it looks at, what it found, and that it never ends in a traceback."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from gegcore.errors import GegError, MissingDependencyError

Status = Literal["ok", "note", "missing", "broken"]
"""`note`: it works, and yet there is something to know."""

_LONGEST = 300
"""Characters of a foreign error message: some libraries write pages."""


class Finding(NamedTuple):
    """What a check found, in words, and the command that mends it."""

    detail: str
    status: Status = "ok"
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """Something to look at.

    Attributes:
        name: short, the first word of its line.
        purpose: what it is for.
        look: looks. It may raise: `MissingDependencyError` is reported as missing, everything
            else as broken.
        mend: the command to try after an error that does not say how to mend it.
        needed: `make book` does not work without it.
        full: it takes seconds, and is left out unless asked for.
    """

    name: str
    purpose: str
    look: Callable[[], Finding]
    mend: str
    needed: bool = True
    full: bool = False


@dataclass(frozen=True)
class Result:
    """A check and its finding, after `seconds`."""

    check: Check
    finding: Finding
    seconds: float

    @property
    def fatal(self) -> bool:
        """Whether `make book` cannot work for this reason."""
        return self.check.needed and self.finding.status in ("missing", "broken")

    def record(self) -> dict[str, Any]:
        """As one JSON object."""
        return {
            "name": self.check.name,
            "status": self.finding.status,
            "needed": self.check.needed,
            "purpose": self.check.purpose,
            "detail": self.finding.detail,
            "fix": self.finding.fix,
            "seconds": round(self.seconds, 3),
        }


def examine(checks: Iterable[Check], full: bool = False) -> Iterator[Result]:
    """Results of the checks, in order, each as soon as it is there.

    Args:
        full: include those that take seconds.
    """
    for check in checks:
        if full or not check.full:
            start = time.perf_counter()
            finding = _look(check)
            yield Result(check, finding, time.perf_counter() - start)


def healthy(results: Iterable[Result]) -> bool:
    """Whether everything that `make book` needs works."""
    return not any(result.fatal for result in results)


def _look(check: Check) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What matters is in the finding.
            return check.look()
    except MissingDependencyError as error:
        return Finding(_one_line(error.what), "missing", error.fix or check.mend)
    except GegError as error:
        return Finding(_one_line(error.what), "broken", error.fix or check.mend)
    except Exception as error:  # Whatever it is, the other checks go on.
        words = _one_line(str(error))
        named = f"{type(error).__name__}: {words}" if words else type(error).__name__
        return Finding(named, "broken", check.mend)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
