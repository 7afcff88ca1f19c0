"""Reference captions counted once: their n-grams, and the document frequencies of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from gegcore.errors import DataError
from gegcore.progress import track
from gegcore.rewards.ngrams import ORDERS, NgramTable, ngram_keys

TokenLists = Sequence[Sequence[Sequence[int]]]
"""For each image its reference captions, each a list of word ids without the end token."""

CHUNK = 4096  # images counted at a time, which bounds the memory of sorting


class ReferenceNgrams(NamedTuple):
    """The distinct n-grams of each image's references, one image after the other.

    Attributes:
        start: `(N + 1,)` int64: image i has the entries from start[i] to start[i + 1].
        keys: `(E,)` int64, ascending within an image.
        orders: `(E,)` uint8, n - 1.
        counts: `(E, R)`, how often each occurs in each of the image's references; uint8 unless
            a caption has more than 255 words.
        lengths: `(N, R)` int64, tokens of each reference; -1: the image has fewer references.
    """

    start: Tensor
    keys: Tensor
    orders: Tensor
    counts: Tensor
    lengths: Tensor


class DocumentFrequency(NamedTuple):
    """In how many images' reference sets each n-gram occurs, as idf: log of images / count.

    Attributes:
        table: the n-grams.
        idf: `(D + padding,)` float32 of the table's keys; 0 for `PADDING`.
        images: number of images of the corpus.
        vocab_size: number of ids that the keys are made for.
        count_end: whether the end token counts as a word.
    """

    table: NgramTable
    idf: Tensor
    images: int
    vocab_size: int
    count_end: bool

    def look_up(self, keys: Tensor) -> Tensor:
        """The idf of n-grams `(...)`. One that the corpus lacks counts as in one document."""
        at, found = self.table.find(keys)
        idf = self.idf.index_select(0, at.flatten()).view(keys.shape)
        return torch.where(found, idf, math.log(self.images))


def count_references(
    references: TokenLists, vocab_size: int, count_end: bool = True
) -> ReferenceNgrams:
    """Count the n-grams of all references.

    Raises:
        DataError: no image, an image without references, or an id outside 1..vocab_size - 1.
    """
    if not references or not all(references):
        raise DataError("an image has no reference caption", "give at least one for each image")
    most = max(len(captions) for captions in references)
    parts = [
        _count(references[begin : begin + CHUNK], most, vocab_size, count_end)
        for begin in track(range(0, len(references), CHUNK), "reference n-grams", delay=2)
    ]
    entries, keys, orders, counts, lengths = (torch.cat(x) for x in zip(*parts, strict=True))
    if int(lengths.max()) <= torch.iinfo(torch.uint8).max:
        counts = counts.to(torch.uint8)
    return ReferenceNgrams(pad(entries.cumsum(0), (1, 0)), keys, orders, counts, lengths)


def _count(references: TokenLists, most: int, vocab_size: int, count_end: bool) -> list[Tensor]:
    """Entries per image, then keys, orders, counts and lengths of `ReferenceNgrams`."""
    captions = [caption for image in references for caption in image]
    size = torch.tensor([len(caption) for caption in captions])
    stream = chain.from_iterable(chain(caption, (0,)) for caption in captions)
    tokens = torch.from_numpy(np.fromiter(stream, np.int64, int(size.sum()) + len(size)))
    if int((tokens <= 0).sum()) > len(size) or int(tokens.max()) >= vocab_size:
        raise DataError(
            f"a reference has a word id outside 1..{vocab_size - 1}",
            "pass word ids without the end token, and the size of their vocabulary",
        )
    of_caption = torch.repeat_interleave(torch.arange(len(size)), size + 1)
    end = (size + 1).cumsum(0)
    remaining = end[of_caption] - torch.arange(len(tokens)) - int(not count_end)

    per_image = torch.tensor([len(image) for image in references])
    image = torch.repeat_interleave(torch.arange(len(references)), per_image)
    number = torch.arange(len(size)) - (per_image.cumsum(0) - per_image)[image]
    lengths = torch.full((len(references), most), -1)
    lengths[image, number] = size + int(count_end)

    keys = ngram_keys(tokens, remaining, vocab_size)
    order, position = (torch.arange(1, ORDERS + 1)[:, None] <= remaining).nonzero(as_tuple=True)
    distinct, which = torch.unique(keys[order, position], return_inverse=True)
    caption = of_caption[position]
    pairs, entry = torch.unique(image[caption] * len(distinct) + which, return_inverse=True)
    counts = torch.bincount(entry * most + number[caption], minlength=len(pairs) * most)
    orders = torch.zeros(len(distinct), dtype=torch.uint8)
    orders[which] = order.to(torch.uint8)
    which = pairs % max(1, len(distinct))
    entries = torch.bincount(pairs // max(1, len(distinct)), minlength=len(references))
    return [entries, distinct[which], orders[which], counts.view(-1, most).int(), lengths]


def document_frequency(
    references: TokenLists, vocab_size: int, count_end: bool = True
) -> DocumentFrequency:
    """Document frequencies of a split, one document per image; raises as `count_references`."""
    return frequency_of(count_references(references, vocab_size, count_end), vocab_size, count_end)


def frequency_of(counted: ReferenceNgrams, vocab_size: int, count_end: bool) -> DocumentFrequency:
    """Document frequencies of references that are counted already."""
    distinct, images = torch.unique(counted.keys, return_counts=True)
    table, corpus = NgramTable.build(distinct), len(counted.lengths)
    idf = (math.log(corpus) - images.double().log()).float()
    idf = pad(idf, (0, len(table.keys) - len(distinct)))
    return DocumentFrequency(table, idf, corpus, vocab_size, count_end)


def reference_scale(counted: ReferenceNgrams, idf: Tensor) -> Tensor:
    """What a clipped product is worth: 1 / (tf-idf norm x 4 x references of the image).

    `(N, R, 4)` float32, 0 where a reference has no n-gram of the order or does not exist.
    """
    images, most = counted.lengths.shape
    squares = torch.zeros(images * ORDERS, most)
    image = torch.repeat_interleave(torch.arange(images), counted.start.diff())
    rows = image * ORDERS + counted.orders
    for part in range(0, len(rows), 1 << 20):
        piece = slice(part, part + (1 << 20))
        squares.index_add_(0, rows[piece], (counted.counts[piece] * idf[piece, None]) ** 2)
    norms = squares.view(images, ORDERS, most).transpose(1, 2).sqrt()
    captions = (counted.lengths >= 0).sum(-1)
    return torch.where(norms > 0, 1 / (ORDERS * captions[:, None, None] * norms), 0.0)
