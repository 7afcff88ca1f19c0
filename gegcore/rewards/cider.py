"""CIDEr-D as a tensor operation: the language reward of SCST (the CIDEr of Eq. 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gegcore.errors import DataError
from gegcore.rewards.ngrams import ORDERS, PADDING, NgramCounts, caption_lengths, count_ngrams

TokenLists = Sequence[Sequence[Sequence[int]]]
"""For each image its reference captions, each a list of word ids without the end token."""


class DocumentFrequency(NamedTuple):
    """In how many images' reference sets each n-gram occurs (the idf of CIDEr).

    Attributes:
        keys: `(D,)` int64, ascending n-gram keys.
        log_count: `(D,)` float64, log of the number of images.
        log_images: log of the number of images in the corpus.
    """

    keys: Tensor
    log_count: Tensor
    log_images: float


def pad_references(references: TokenLists, count_end: bool) -> tuple[Tensor, Tensor]:
    """Stack ragged references into ids `(N, R, T)` (0-padded) and lengths `(N, R)` (-1: none).

    Raises:
        DataError: no image, or an image without references.
    """
    if not references or not all(references):
        raise DataError("an image has no reference caption", "give at least one for each image")
    most = max(len(captions) for captions in references)
    longest = max(len(caption) for captions in references for caption in captions) + 1
    tokens = torch.zeros(len(references), most, longest, dtype=torch.long)
    lengths = torch.full((len(references), most), -1, dtype=torch.long)
    for i, captions in enumerate(references):
        for j, caption in enumerate(captions):
            tokens[i, j, : len(caption)] = torch.tensor(caption, dtype=torch.long)
            lengths[i, j] = len(caption) + int(count_end)
    return tokens, lengths


def document_frequency(
    references: TokenLists, vocab_size: int, count_end: bool = True
) -> DocumentFrequency:
    """Document frequencies over the training split; one document per image."""
    tokens, lengths = pad_references(references, count_end)
    flat = count_ngrams(tokens.flatten(0, 1), lengths.flatten().clamp(min=0), vocab_size)
    keys = flat.keys.view(len(references), -1).sort(-1).values
    first = torch.ones_like(keys, dtype=torch.bool)
    first[:, 1:] = keys[:, 1:] != keys[:, :-1]
    end = torch.tensor([PADDING])
    distinct, images = torch.unique(keys[first & (keys != PADDING)], return_counts=True)
    # A last key above all others keeps every binary search inside the table.
    distinct, images = torch.cat([distinct, end]), torch.cat([images, torch.ones_like(end)])
    return DocumentFrequency(distinct, images.double().log(), math.log(len(references)))


class CiderD(nn.Module):
    """CIDEr-D of sampled captions against the references of their image.

    The score of :cite:`vedantam2015cider` in the variant that all captioning code bases reward:
    tf-idf cosine per n with clipped counts, Gaussian penalty on the length difference (in
    bigrams, as they all compute it), mean over n and over references, times 10. A caption that
    the paper's tables would credit with 120 points gets 1.2.

    References are counted once, at construction. A call has no loop over captions and no host
    synchronisation: n-grams are sorted integers, matching is a batched binary search.

    Args:
        references: reference captions of every image that will be scored.
        vocab_size: number of token ids, 0 included.
        frequency: document frequencies of the training split; from `references` if not given.
        count_end: whether the end token counts as a word of both sides. On by default: without
            it a third to a half of SCST's captions end in "with a".
        sigma: width of the length penalty, in bigrams.
    """

    df_keys: Tensor
    df_log_count: Tensor
    ref_keys: Tensor
    ref_weights: Tensor
    ref_norms: Tensor
    ref_bigrams: Tensor
    ref_real: Tensor

    def __init__(
        self,
        references: TokenLists,
        vocab_size: int,
        frequency: DocumentFrequency | None = None,
        count_end: bool = True,
        sigma: float = 6.0,
    ) -> None:
        super().__init__()
        self.vocab_size, self.count_end = vocab_size, count_end
        self.sigma = sigma
        frequency = frequency or document_frequency(references, vocab_size, count_end)
        self.log_images = frequency.log_images
        self.register_buffer("df_keys", frequency.keys)
        self.register_buffer("df_log_count", frequency.log_count)
        tokens, lengths = pad_references(references, count_end)
        flat_lengths = lengths.flatten().clamp(min=0)
        counted = count_ngrams(tokens.flatten(0, 1), flat_lengths, vocab_size)
        weights, norms = self._tf_idf(counted)
        used = max(1, int((counted.counts > 0).sum(-1).max()))
        shape = lengths.shape
        self.register_buffer("ref_keys", counted.keys[:, :used].reshape(*shape, used))
        self.register_buffer("ref_weights", weights[:, :used].reshape(*shape, used))
        self.register_buffer("ref_norms", norms.view(*shape, ORDERS))
        self.register_buffer("ref_bigrams", (flat_lengths - 1).clamp(min=0).view(shape).double())
        self.register_buffer("ref_real", lengths >= 0)

    def _tf_idf(self, counted: NgramCounts) -> tuple[Tensor, Tensor]:
        """Weights `(M, G)` = count x idf and their L2 norms per n `(M, 4)`."""
        at = torch.searchsorted(self.df_keys, counted.keys)
        seen = self.df_keys[at] == counted.keys
        # An n-gram that no training image has counts as one document: log 1 = 0.
        idf = self.log_images - torch.where(seen, self.df_log_count[at], 0.0)
        weights = counted.counts * idf
        squares = torch.zeros(len(weights), ORDERS, dtype=weights.dtype, device=weights.device)
        squares.scatter_add_(-1, counted.orders, weights**2)
        return weights, squares.sqrt()

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Score captions.

        Args:
            tokens: `(B, S, T)` int64, 0-padded from the end token on.
            image_index: `(B,)` int64, position of each image in `references`.

        Returns:
            `(B, S)` float32 on the device of `tokens`.
        """
        images, samples = tokens.shape[:2]
        lengths = caption_lengths(tokens.flatten(0, 1), self.count_end)
        counted = count_ngrams(tokens.flatten(0, 1), lengths, self.vocab_size)
        weights, norms = (x.view(images, samples, -1) for x in self._tf_idf(counted))
        overlap = self._overlap(counted, weights, image_index)
        denominator = norms[:, None] * self.ref_norms[image_index][:, :, None]
        cosine = torch.where(denominator > 0, overlap / denominator.clamp(min=1e-300), 0.0)
        bigrams = (lengths - 1).clamp(min=0).view(images, 1, samples)
        difference = bigrams - self.ref_bigrams[image_index][:, :, None]
        penalty = torch.exp(-(difference**2) / (2 * self.sigma**2))
        score = cosine.mean(-1) * penalty * self.ref_real[image_index][:, :, None]
        mean = score.sum(1) / self.ref_real[image_index].sum(-1, keepdim=True)
        return (10.0 * mean).float()

    def _overlap(self, counted: NgramCounts, weights: Tensor, image_index: Tensor) -> Tensor:
        """Clipped products summed per n: `(B, R, S, 4)` of min(h, r) r over shared n-grams."""
        images, samples, slots = weights.shape
        keys, refs = counted.keys.view(images, 1, samples * slots), self.ref_keys[image_index]
        keys = keys.expand(-1, refs.shape[1], -1).contiguous()
        at = torch.searchsorted(refs, keys).clamp(max=refs.shape[-1] - 1)
        shared = (refs.gather(-1, at) == keys) & (keys != PADDING)
        theirs = self.ref_weights[image_index].gather(-1, at) * shared
        ours = weights.view(images, 1, -1)
        products = (torch.minimum(ours, theirs) * theirs).view(images, -1, samples, slots)
        per_order = nn.functional.one_hot(counted.orders, ORDERS).to(weights.dtype)
        return torch.einsum("brsg,bsgn->brsn", products, per_order.view(images, samples, slots, -1))
