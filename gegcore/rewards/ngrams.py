"""n-grams of token ids as single integers, and a table to look them up, without Python loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

TokenLists = Sequence[Sequence[Sequence[int]]]
"""For each image its reference captions, each a list of word ids without the end token."""

ORDERS = 4
PADDING = torch.iinfo(torch.int64).max
"""Key where there is no n-gram: sorts behind every n-gram."""
EXACT_VOCABULARY = 46_340
"""Up to here four ids after a leading 1 fit into 63 bits: 2 x 46,340^4 < 2^63."""
_HASH_BASE = 0x5851F42D4C957F2D
_SPREAD = -0x61C8864680B583EB  # 2^64 / golden ratio, odd: multiplying is one-to-one modulo 2^64


def caption_lengths(tokens: Tensor, count_end: bool) -> Tensor:
    """Number of tokens of each caption, ids `(..., T)` padded with 0 after the end -> `(...)`.

    With `count_end` the end token (id 0) counts as one if it was emitted: a caption that fills
    all T steps was cut off and has none.
    """
    words = (tokens != 0).long().cumprod(-1).sum(-1)
    return words + (words < tokens.shape[-1]).long() if count_end else words


def ngram_keys(tokens: Tensor, remaining: Tensor, vocab_size: int) -> Tensor:
    """One int64 for every n-gram: n = 1..4, by its first token.

    An n-gram is a number to base `vocab_size`: a leading 1, then its ids. It is then multiplied
    modulo 2^64, which spreads the keys evenly and keeps them distinct. Of more than 46,340 ids the
    number wraps around: a hash to 64 bits, by which some two of ten million n-grams share a key
    with odds of 3 in a million.

    Args:
        tokens: `(..., T)` int64 ids; captions may follow each other in one row.
        remaining: `(..., T)`, tokens from each position to the end of its caption, itself
            included; 0 or less behind the end.
        vocab_size: number of ids, 0 included.

    Returns:
        `(..., 4, T)` int64, `PADDING` where no n-gram starts.
    """
    base = vocab_size if vocab_size <= EXACT_VOCABULARY else _HASH_BASE
    width = tokens.shape[-1]
    following = pad(tokens, (0, ORDERS - 1))
    packed, columns = torch.ones_like(tokens), []
    for n in range(ORDERS):
        packed = packed * base + following[..., n : n + width]
        columns.append((packed * _SPREAD).masked_fill(remaining <= n, PADDING))
    return torch.stack(columns, -2)


def append_padding(keys: Tensor, count: int) -> Tensor:
    """`count` times `PADDING` behind keys; `pad` would round it to a double."""
    return torch.cat([keys, keys.new_full((count,), PADDING)])


class NgramTable(NamedTuple):
    """Sorted distinct keys with a directory of their leading bits.

    Keys are spread evenly, so a directory of as many entries as keys leaves a handful of keys to
    search: far fewer cache misses than a binary search of the whole table.

    Attributes:
        keys: `(D + padding,)` int64 ascending, then `PADDING`.
        directory: `(2^bits,)` int32, position of the first key with these leading bits or more.
        steps: halvings that the most crowded entry of the directory needs.
    """

    keys: Tensor
    directory: Tensor
    steps: int

    @classmethod
    def build(cls, keys: Tensor) -> NgramTable:
        """From `(D,)` distinct ascending keys."""
        bits = max(1, (2 * len(keys)).bit_length())
        edges = torch.arange(-(2 ** (bits - 1)), 2 ** (bits - 1)) * 2 ** (64 - bits)
        directory = torch.searchsorted(keys, edges.to(keys.device), out_int32=True)
        crowd = torch.diff(directory, append=directory.new_tensor([len(keys)])).max()
        steps = int(crowd).bit_length()
        return cls(append_padding(keys, 2**steps), directory, steps)

    def find(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Position of each key in `self.keys`, and whether it is there."""
        flat, bits = keys.flatten(), len(self.directory).bit_length() - 1
        at = self.directory.index_select(0, (flat >> (64 - bits)) + 2 ** (bits - 1))
        for step in reversed(range(self.steps)):
            before = self.keys.index_select(0, at + (2**step - 1)) < flat
            at = torch.add(at, before, alpha=2**step)
        found = self.keys.index_select(0, at) == flat
        return at.view(keys.shape), found.view(keys.shape)
