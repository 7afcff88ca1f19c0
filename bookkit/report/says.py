"""Sentences that state a result: they are made from numbers, or the build stops."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gegcore.errors import DataError
from gegcore.metrics.presentation import LOWER, LOWER_IS_BETTER


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
    """A sentence on a table of numbers: which row is highest in which columns. "" of none.

    Of metrics of which lower is better it says which is lowest.
    """
    table = table.dropna(axis=1, how="all")
    low = [name for name in table if str(name).removesuffix(f" {LOWER}") in LOWER_IS_BETTER]
    ends = {"highest": table.drop(columns=low).idxmax(), "lowest (better)": table[low].idxmin()}
    said = []
    for which, best in ends.items():
        parts = [
            f"{' '.join(row) if isinstance(row, tuple) else row} in {joined(columns)}"
            for row, columns in best.groupby(best, sort=False).groups.items()
        ]
        said += [f"{which}: {'; '.join(parts)}"] if parts else []
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else ""
