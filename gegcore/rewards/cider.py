"""CIDEr-D as a tensor operation: the language reward of SCST (the CIDEr of Eq. 7)."""

from __future__ import annotations

import math
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gegcore.errors import ConfigError, DataError
from gegcore.progress import track
from gegcore.rewards.inputs import RewardInputs
from gegcore.rewards.ngrams import (
    ORDERS,
    PADDING,
    NgramTable,
    TokenLists,
    append_padding,
    caption_lengths,
    ngram_keys,
)

SIGMA = 6.0  # width of the length penalty, in bigrams
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


class CiderD(nn.Module):
    """CIDEr-D of sampled captions against the references of their image.

    The score of :cite:`vedantam2015cider` in the variant that all captioning code bases reward:
    tf-idf cosine per n with clipped counts, Gaussian penalty on the length difference (in
    bigrams), mean over n and over references, times 10: 1.2 is what tables call 120.

    References are counted once, at construction. A call has no loop over captions and no host
    synchronisation: n-grams are integers, matching is a batched binary search.

    Args:
        references: reference captions of every image that will be scored.
        vocab_size: number of token ids, 0 included.
        frequency: document frequencies of the training split; from `references` if not given.
        count_end: whether the end token counts as a word of both sides. On by default: without
            it a third to a half of SCST's captions end in "with a".

    Raises:
        ConfigError: `frequency` is of another vocabulary size or `count_end`.
        DataError: an image without references, or an id outside the vocabulary.
    """

    df_keys: Tensor
    df_directory: Tensor
    df_idf: Tensor
    ref_start: Tensor
    ref_keys: Tensor
    ref_counts: Tensor
    ref_scale: Tensor
    ref_bigrams: Tensor

    def __init__(
        self,
        references: TokenLists,
        vocab_size: int,
        frequency: DocumentFrequency | None = None,
        count_end: bool = True,
    ) -> None:
        super().__init__()
        self.vocab_size, self.count_end, self.crop = vocab_size, count_end, True
        counted = count_references(references, vocab_size, count_end)
        frequency = frequency or frequency_of(counted, vocab_size, count_end)
        ours, theirs = (vocab_size, count_end), (frequency.vocab_size, frequency.count_end)
        if ours != theirs:
            raise ConfigError(
                f"document frequencies of (vocab_size, count_end) = {theirs} cannot score {ours}",
                "count them with the same vocabulary size and the same count_end",
            )
        self.df_images, self.df_steps = frequency.images, frequency.table.steps
        self.ref_slots = int(counted.start.diff().max())
        idf = frequency.look_up(counted.keys)
        for name, value in {
            "df_keys": frequency.table.keys,
            "df_directory": frequency.table.directory,
            "df_idf": frequency.idf,
            "ref_start": counted.start,
            "ref_keys": append_padding(counted.keys, self.ref_slots + 1),
            "ref_counts": pad(counted.counts, (0, 0, 0, 1)),
            "ref_scale": reference_scale(counted, idf),
            "ref_bigrams": (counted.lengths - 1).clamp(min=0).float(),
        }.items():
            self.register_buffer(name, value, persistent=False)

    @property
    def frequency(self) -> DocumentFrequency:
        """The document frequencies, on the module's device."""
        table = NgramTable(self.df_keys, self.df_directory, self.df_steps)
        shared = self.vocab_size, self.count_end
        return DocumentFrequency(table, self.df_idf, self.df_images, *shared)

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Score `(B, S, T)` word ids of images at positions `(B,)` in `references` -> `(B, S)`."""
        lengths = caption_lengths(tokens, self.count_end)
        # Padding is left out where finding its extent forces no synchronisation.
        crop = self.crop and tokens.device.type == "cpu"
        if crop:
            tokens = tokens[..., : int(lengths.max())]
        remaining = lengths[..., None] - torch.arange(tokens.shape[-1], device=tokens.device)
        keys = ngram_keys(tokens, remaining, self.vocab_size)  # (B, S, 4, T)
        counts = (keys[..., None] == keys[..., None, :]).sum(-1, dtype=torch.float32)
        # Every occurrence of an n-gram stands for a share, 1 / count, of the distinct n-gram.
        share = self.frequency.look_up(keys) ** 2 / counts
        norms = (share * counts**2).sum(-1).sqrt()
        theirs = self._reference_counts(keys, image_index, crop)  # (B, S, 4, T, R)
        clipped = torch.minimum(counts[..., None], theirs) * theirs
        dots = (share[..., None] * clipped).sum(-2) / norms.clamp(min=1e-30)[..., None]
        cosines = (dots * self.ref_scale[image_index].mT[:, None]).sum(-2)  # (B, S, R)
        bigrams = (lengths - 1).clamp(min=0)[..., None]
        difference = bigrams - self.ref_bigrams[image_index][:, None]
        return 10 * (cosines * torch.exp(-(difference**2) / (2 * SIGMA**2))).sum(-1)

    def _reference_counts(self, keys: Tensor, image_index: Tensor, crop: bool) -> Tensor:
        """How often each n-gram `(B, ...)` occurs in each of its image's references."""
        start, end = self.ref_start[image_index, None], self.ref_start[image_index + 1, None]
        slots = int((end - start).max()) if crop else self.ref_slots
        entries = start + torch.arange(slots + 1, device=keys.device)
        theirs = self.ref_keys[entries].masked_fill(entries >= end, PADDING)
        at = torch.searchsorted(theirs, keys.flatten(1))  # The last slot is PADDING: always found.
        shared = theirs.gather(-1, at) == keys.flatten(1)
        none = len(self.ref_counts) - 1
        counts = self.ref_counts.index_select(0, torch.where(shared, start + at, none).flatten())
        return counts.view(*keys.shape, self.ref_counts.shape[-1]).float()


def cider_d(tokens: Tensor, references: TokenLists, frequency: DocumentFrequency) -> Tensor:
    """CIDEr-D `(B, S)` float32 in one call: captions against the references of their images.

    Where the same images come back, as in training, `CiderD` counts their references only once.

    >>> train = [[[1, 2, 3], [1, 2, 4]], [[5, 2, 6]], [[5, 7]]]  # word ids; id 0 is the end token
    >>> frequency = document_frequency(train, vocab_size=8)
    >>> sampled = torch.tensor([[[1, 2, 3, 0], [1, 2, 0, 0]], [[5, 2, 6, 0], [7, 5, 0, 0]]])
    >>> cider_d(sampled, train[:2], frequency)
    tensor([[ 6.0815,  2.8047],
            [10.0000,  0.2793]])

    Args:
        tokens: `(B, S, T)` int64, 0-padded from the end token on.
        references: of the B images, word ids without the end token.
        frequency: of a corpus, by `document_frequency`; those of a mini-batch would make scores
            depend on what else is in it. They say whether the end token counts.

    Raises:
        DataError: an image without references, or an id outside the vocabulary.
    """
    vocab_size, count_end = frequency.vocab_size, frequency.count_end
    scorer = CiderD(references, vocab_size, frequency, count_end).to(tokens.device)
    return scorer(tokens, torch.arange(len(references), device=tokens.device))


def cider_reward(given: RewardInputs) -> CiderD:
    """Reward `cider` of a profile."""
    return CiderD(given.references, len(given.vocabulary), count_end=given.count_end)
