"""Sequences that begin alike: their common beginnings need be computed once in a causal model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def distinct_prefixes(rows: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Number the distinct prefixes of M sequences, padding left out; the host waits for the device.

    Args:
        rows: `(M, L)` integers, sorted as `torch.unique(dim=0)` returns them.
        real: `(M, L)` bool, what belongs to each sequence: its first positions.

    Returns: `(M, L)`, the number of the prefix that ends at each position (anything in padding),
        and `(M, L)` bool, where each prefix stands for the first time, in order of their numbers.
    """
    differs = (rows[1:] != rows[:-1]).int().cummax(1).values.bool()
    first = pad(differs, (0, 0, 1, 0), value=True) & real
    number = first.flatten().cumsum(0).view_as(rows) - 1
    return torch.where(first, number, 0).cummax(0).values, first
