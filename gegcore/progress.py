"""One progress bar for everything that takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    iterable: Iterable[T], description: str, total: int | None = None, delay: float = 0
) -> Iterator[T]:
    """Yield from `iterable` behind a plain-text bar on stderr.

    Plain `tqdm`, not the notebook widget: widget state needs JavaScript from a network. In batch
    runs `TQDM_MININTERVAL=60` (seconds) keeps logs short. The bar appears after `delay` seconds.
    """
    yield from tqdm(
        iterable, desc=description, total=total, leave=False, dynamic_ncols=True, delay=delay
    )


def bar(total: int, description: str, unit: str) -> Any:
    """The same as a context, for what goes on by several at a time: `.update(number)`."""
    return tqdm(total=total, desc=description, unit=unit, leave=False, dynamic_ncols=True)
