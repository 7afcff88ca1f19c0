"""Bad input: the first kind of it ends the work, or all of it is left out and listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gegcore.errors import DataError

_SHOWN = 5


class Skipped(NamedTuple):
    """Input that was left out: what is wrong with all of it, and where each piece stands."""

    reason: str
    items: list[str]


class Skips:
    """What is wrong with the input of an evaluation.

    Args:
        allowed: leave bad input out and go on, as `--skip-bad` does.
    """

    def __init__(self, allowed: bool = False) -> None:
        self.allowed = allowed
        self._items: dict[str, list[str]] = {}

    def add(self, reason: str, item: str) -> None:
        """Note bad input: in which file what is wrong ("captions.json: images ..."), and where."""
        self._items.setdefault(reason, []).append(item)

    def check(self, fix: str) -> None:
        """Go on only if there is no bad input, or if it may be left out.

        Raises:
            DataError: there is some; the kind that was noticed first, and how to mend it.
        """
        for reason, items in self._items.items() if not self.allowed else ():
            fix = f"{fix}; --skip-bad leaves them out"
            raise DataError(f"{reason} ({len(items):,}): {some(items)}", fix)

    @property
    def found(self) -> tuple[Skipped, ...]:
        """What was left out, in the order in which it was noticed."""
        return tuple(Skipped(*kind) for kind in self._items.items())


def some(items: Sequence[str]) -> str:
    """The first five, as a list in a sentence."""
    return ", ".join(items[:_SHOWN]) + (", ..." if len(items) > _SHOWN else "")
