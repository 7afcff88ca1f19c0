"""Sentences that state a result: they are made from numbers, or the build stops."""

from __future__ import annotations

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
