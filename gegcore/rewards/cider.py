"""CIDEr-D as a tensor operation: the language reward of SCST (the CIDEr of Eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gegcore.errors import ConfigError
from gegcore.rewards.ngrams import PADDING, NgramTable, append_padding, caption_lengths, ngram_keys
from gegcore.rewards.references import (
    DocumentFrequency,
    TokenLists,
    count_references,
    document_frequency,
    frequency_of,
    reference_scale,
)

__all__ = ["CiderD", "cider_d", "document_frequency"]


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
        sigma: width of the length penalty, in bigrams.

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
        sigma: float = 6.0,
    ) -> None:
        super().__init__()
        self.vocab_size, self.count_end, self.sigma = vocab_size, count_end, sigma
        self.crop = True
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
        return 10 * (cosines * torch.exp(-(difference**2) / (2 * self.sigma**2))).sum(-1)

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


def cider_d(
    tokens: Tensor, references: TokenLists, frequency: DocumentFrequency, sigma: float = 6.0
) -> Tensor:
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
        sigma: width of the length penalty, in bigrams.

    Raises:
        DataError: an image without references, or an id outside the vocabulary.
    """
    vocab_size, count_end = frequency.vocab_size, frequency.count_end
    scorer = CiderD(references, vocab_size, frequency, count_end, sigma).to(tokens.device)
    return scorer(tokens, torch.arange(len(references), device=tokens.device))
