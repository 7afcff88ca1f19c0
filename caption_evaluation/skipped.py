"""Bad input: the first kind of it ends the work, or all of it is left out and listed."""

from __future__ import annotations

from gegcore.errors import DataError, printable, some


class Skips:
    """What is wrong with the input; if `allowed`, it is left out (`--skip-bad`).

    Attributes:
        found: what is wrong, in the order in which it was noticed -> where each piece stands.
    """

    def __init__(self, allowed: bool = False) -> None:
        self.allowed = allowed
        self.found: dict[str, list[str]] = {}
        self._fixes: dict[str, str] = {}

    def add(self, reason: str, item: str, fix: str = "") -> None:
        """Note bad input: in which file what is wrong ("captions.json: images ..."), and where."""
        self.found.setdefault(printable(reason), []).append(printable(item))
        self._fixes[printable(reason)] = fix

    def check(self, fix: str) -> None:
        """Go on only if there is no bad input, or if it may be left out.

        Raises:
            DataError: there is some; of the kind that was noticed first.
        """
        if self.found and not self.allowed:
            reason, items = next(iter(self.found.items()))
            fix = f"{self._fixes[reason] or fix}; --skip-bad leaves them out"
            raise DataError(f"{reason} ({len(items):,}): {some(items)}", fix)
