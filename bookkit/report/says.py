"""Sentences that state a result: they are made from numbers, or the build stops."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gegcore.errors import DataError


def says(holds: bool, text: str, otherwise: str | None = None) -> str:
    """`text`, if the numbers say so; else `otherwise`.

    Pages and notebooks have no other way of stating a result of ours: a test of their prose looks
    for sentences that do. Numbers in both texts are filled in by whoever computes `holds`.

    Raises:
        DataError: the numbers say something else, and there is no other sentence.
    """
    if holds:
        return text
    if otherwise is None:
        raise DataError(
            f"the numbers no longer say: {text}", "mend the sentence, or give the other one"
        )
    return otherwise


def joined(names: Iterable[object]) -> str:
    """`a, b and c`."""
    *most, last = map(str, names)
    return f"{', '.join(most)} and {last}" if most else last


def highest(table: pd.DataFrame) -> str:
    """A sentence on a table of numbers: which row is highest in which columns. "" of none."""
    best = table.dropna(axis=1, how="all").idxmax()
    parts = [
        f"{' '.join(row) if isinstance(row, tuple) else row} in {joined(columns)}"
        for row, columns in best.groupby(best, sort=False).groups.items()
    ]
    return f"Highest: {'; '.join(parts)}." if parts else ""
