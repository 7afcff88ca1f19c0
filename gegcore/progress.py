"""One progress bar for everything that takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class _Bar(tqdm):
    """Not seen before its delay, and cleared in the end, where `tqdm.write` is used as well.

    That draws all bars again, those before their delay too, and `close` leaves those on the screen.
    """

    delay: float

    def refresh(self, *args: Any, **settings: Any) -> Any:
        if self.delay and self._time() < self.start_t + self.delay:
            return False
        self.delay = 0  # it is on the screen now: `close` clears it
        return super().refresh(*args, **settings)


def track(
    iterable: Iterable[T], description: str, total: int | None = None, delay: float = 0
) -> Iterator[T]:
    """Yield from `iterable` behind a plain-text bar on stderr.

    Plain `tqdm`, not the notebook widget: widget state needs JavaScript from a network. In batch
    runs `TQDM_MININTERVAL=60` (seconds) keeps logs short. The bar appears after `delay` seconds.
    """
    yield from _Bar(
        iterable, desc=description, total=total, leave=False, dynamic_ncols=True, delay=delay
    )


def bar(total: int, description: str, unit: str) -> Any:
    """The same as a context, for what goes on by several at a time: `.update(number)`."""
    return tqdm(total=total, desc=description, unit=unit, leave=False, dynamic_ncols=True)
