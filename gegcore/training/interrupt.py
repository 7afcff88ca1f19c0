"""Ctrl-C and SIGTERM as a wish to stop soon, instead of a death in the middle of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopNow(BaseException):
    """Raised out of `StopRequest.at_once`; no error, so that no `except Exception` catches it."""


class StopRequest:
    """Notes the first SIGINT or SIGTERM while it is entered; old handlers come back afterwards.

    Outside the main thread Python lets nobody handle signals: there nothing is noted.

    Args:
        insist: a second Ctrl-C raises KeyboardInterrupt at once. Launchers of several processes
            send a signal twice without impatience.
    """

    def __init__(self, insist: bool = True) -> None:
        self.insist = insist
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._at_once = False

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            # None: a handler that was not set from Python and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, for work that changes nothing, a wish to stop raises StopNow without delay."""
        self._at_once = True
        try:
            if self.signal is not None:
                raise StopNow
            yield
        finally:
            self._at_once = False

    def _note(self, number: int, _: FrameType | None) -> None:
        again = self.signal is not None
        self.signal = self.signal or signal.Signals(number)
        if self._at_once:
            raise StopNow
        if again and self.insist and number == signal.SIGINT:
            raise KeyboardInterrupt
