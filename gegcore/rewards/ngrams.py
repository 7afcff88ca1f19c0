"""n-grams of token ids as single integers, counted for a whole batch at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gegcore.errors import ConfigError

ORDERS = 4
PADDING = torch.iinfo(torch.int64).max
"""Key of an empty slot: sorts behind every n-gram."""


class NgramCounts(NamedTuple):
    """Distinct n-grams (n = 1..4) of M captions.

    Attributes:
        keys: `(M, G)` int64, ascending in each row, then `PADDING`.
        counts: `(M, G)` float64, how often each occurs in the caption; 0 at padding.
        orders: `(M, G)` int64 in 0..3, that is n - 1; 0 at padding.
    """

    keys: Tensor
    counts: Tensor
    orders: Tensor


def caption_lengths(tokens: Tensor, count_end: bool) -> Tensor:
    """Number of tokens of each caption, `(M, T)` ids padded with 0 after the end -> `(M,)`.

    With `count_end` the end token (id 0) counts as one if it was emitted: a caption that fills
    all T steps was cut off and has none.
    """
    ended = (tokens == 0).long().cumsum(-1) > 0
    words = (~ended).sum(-1)
    return words + ended.any(-1).long() if count_end else words


def count_ngrams(tokens: Tensor, lengths: Tensor, vocab_size: int) -> NgramCounts:
    """Count the n-grams of every caption without a loop over captions.

    An n-gram is packed into one int64: its ids are the digits to base `vocab_size`, n - 1 the
    leading digit. Rows are sorted; runs of equal keys are counted.

    Args:
        tokens: `(M, T)` int64 ids.
        lengths: `(M,)`, tokens to use of each row.

    Raises:
        ConfigError: the vocabulary is too large to pack four ids into 63 bits (over 38,000).
    """
    if vocab_size**ORDERS * ORDERS >= PADDING:
        raise ConfigError(
            f"a vocabulary of {vocab_size} ids does not fit 4-grams into 64-bit keys",
            "drop rare words: 38,000 ids are the limit",
        )
    width = tokens.shape[-1]
    position = torch.arange(width, device=tokens.device)
    packed = torch.zeros_like(tokens)
    columns, valid = [], []
    for n in range(1, min(ORDERS, width) + 1):
        starts = width - n + 1
        packed = packed[:, :starts] * vocab_size + tokens[:, n - 1 : n - 1 + starts]
        columns.append(packed + (n - 1) * vocab_size**ORDERS)
        valid.append(position[:starts] + n <= lengths[:, None])
    keys = torch.cat(columns, -1).masked_fill(~torch.cat(valid, -1), PADDING)
    return _run_lengths(keys.sort(-1).values, vocab_size)


def _run_lengths(keys: Tensor, vocab_size: int) -> NgramCounts:
    """Collapse runs of equal keys in sorted rows into (key, count), again sorted and padded."""
    first = torch.ones_like(keys, dtype=torch.bool)
    first[:, 1:] = keys[:, 1:] != keys[:, :-1]
    slot = first.long().cumsum(-1) - 1
    real = keys != PADDING
    counts = torch.zeros(keys.shape, dtype=torch.float64, device=keys.device)
    counts.scatter_add_(-1, slot, real.double())
    distinct = torch.full_like(keys, PADDING).scatter_(-1, slot, keys)
    orders = torch.where(counts > 0, distinct // vocab_size**ORDERS, 0)
    return NgramCounts(distinct, counts, orders)
