"""One look through the eyes of a check."""

from __future__ import annotations

from collections.abc import Callable

from bookkit.doctor import Check, Finding, examine


def look(function: Callable[[], Finding], needed: bool = True) -> Finding:
    (result,) = examine([Check("it", "this test", function, "mend it", needed)])
    return result.finding


def raising(error: Exception) -> Callable[..., Finding]:
    def fail(*_: object, **__: object) -> Finding:
        raise error

    return fail
