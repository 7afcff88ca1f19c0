"""Bad input: the first kind of it ends the work, or all of it is left out and listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gegcore.errors import DataError

_SHOWN = 5


class Skipped(NamedTuple):
    """Input that was left out.

    Attributes:
        reason: what is wrong with all of it.
        items: each piece: where it stands, and what it is.
    """

    reason: str
    items: tuple[str, ...]


class Skips:
    """What is wrong with the input of an evaluation.

    Args:
        allowed: leave bad input out and go on, as `--skip-bad` does.

    Attributes:
        found: what was left out, in the order in which it was noticed.
    """

    def __init__(self, allowed: bool = False) -> None:
        self.allowed = allowed
        self.found: list[Skipped] = []

    def check(self, reason: str, items: Sequence[str], fix: str) -> None:
        """Note bad input; nothing happens if there is none.

        Args:
            reason: names the file and what is wrong, "captions.json: captions that are ...".
            items: where it is.
            fix: how to mend it.

        Raises:
            DataError: there is some, and skipping is not allowed.
        """
        if not items:
            return
        if not self.allowed:
            raise DataError(
                f"{reason} ({len(items):,}): {some(items)}", f"{fix}; --skip-bad leaves them out"
            )
        self.found.append(Skipped(reason, tuple(items)))


def some(items: Sequence[str]) -> str:
    """The first five, as a list in a sentence."""
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")
