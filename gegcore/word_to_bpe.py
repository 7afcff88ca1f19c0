"""From a captioner's word ids to CLIP's BPE ids by table look-up, on the device of the ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gegcore.errors import ConfigError


class WordToBpe(nn.Module):
    """Tokenises captions for CLIP without leaving the device.

    CLIP's BPE never merges across blanks, so the pieces of a caption are the pieces of its words,
    one after another: equal to `tokenizer(" ".join(words))`, start and end tokens included.

    Args:
        words: the captioner's words; `words[i]` has id `i + 1`, id 0 ends a caption.
        tokenizer: open_clip's `SimpleTokenizer` of the CLIP model.

    Raises:
        ConfigError: the tokenizer is not a per-word BPE.
    """

    table: Tensor  # (V, P) pieces of every word id, padded with 0
    pieces: Tensor  # (V,) number of pieces of every word id

    def __init__(self, words: Sequence[str], tokenizer: Any) -> None:
        super().__init__()
        if not hasattr(tokenizer, "sot_token_id"):
            raise ConfigError(
                f"{type(tokenizer).__name__} is not CLIP's per-word BPE tokenizer",
                "use a CLIP whose text tower has open_clip's SimpleTokenizer",
            )
        self.start, self.end = int(tokenizer.sot_token_id), int(tokenizer.eot_token_id)
        self.context_length = int(tokenizer.context_length)
        encoded = [[], *map(tokenizer.encode, words)]
        pieces = torch.tensor([len(ids) for ids in encoded])
        rows = [torch.tensor(ids, dtype=torch.long) for ids in encoded]
        table = pad_sequence(rows, batch_first=True)
        self.most_pieces = table.shape[1]
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("pieces", pieces, persistent=False)

    def longest(self, words: int) -> int:
        """BPE ids, start and end included, that no caption of so many words exceeds."""
        return min(2 + words * self.most_pieces, self.context_length)

    def forward(self, tokens: Tensor, length: int | None = None) -> Tensor:
        """Word ids `(M, T)`, each row ended by its first 0 or by T, -> BPE ids `(M, L)`.

        Overlong captions are truncated and keep their end token.

        Args:
            length: L. By default the longest caption of the batch, which costs a GPU one host
                synchronisation; a fixed L, such as `longest(T)`, costs none.
        """
        width = min(length or self.context_length, self.context_length)
        alive = (tokens != 0).long().cumprod(dim=1)
        words = tokens * alive
        count = self.pieces[words]  # (M, T)
        stop = 1 + count.cumsum(dim=1)
        offset = torch.arange(self.table.shape[1], device=tokens.device)
        place = (stop - count)[..., None] + offset  # (M, T, P)
        real = (offset < count[..., None]) & (place < width - 1)
        # Whatever has no place in the caption is written to one spare column and cut off.
        place = torch.where(real, place, width)
        bpe = tokens.new_zeros(len(tokens), width + 1)
        bpe.scatter_(1, place.flatten(1), self.table[words].flatten(1))
        last = stop[:, -1:].clamp(max=width - 1)
        bpe.scatter_(1, last, self.end)
        bpe[:, 0] = self.start
        return bpe[:, : int(last.max()) + 1] if length is None else bpe[:, :width]
