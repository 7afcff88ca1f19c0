"""Common beginnings are found whatever the sequences, and padding is left out."""

from __future__ import annotations

import torch

from gegcore.prefixes import distinct_prefixes


def test_prefixes_are_those_that_a_set_finds() -> None:
    g = torch.Generator().manual_seed(0)
    length = torch.randint(1, 7, (50, 1), generator=g)
    real = torch.arange(6) < length
    tokens = torch.randint(1, 3, (50, 6), generator=g).where(real, 0)
    rows = torch.unique(tokens, dim=0)
    real = rows > 0
    number, first = distinct_prefixes(rows, real)
    seen: dict[tuple[int, ...], int] = {}
    for row, width in enumerate(real.sum(1).tolist()):
        for t in range(width):
            prefix = tuple(rows[row, : t + 1].tolist())
            assert bool(first[row, t]) == (prefix not in seen)
            assert number[row, t] == seen.setdefault(prefix, len(seen))
    assert first.sum() == len(seen) < real.sum()
    assert not first[~real].any()
    assert number.min() >= 0 and number.max() == len(seen) - 1
