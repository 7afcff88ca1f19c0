"""Trained retrieval models as CLIPs, and how they reward pictures whose captions they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gegcore.clip import ClipModel, Pictures
from gegcore.storage import digest
from photographs.encoders import PhotoEncoder, WordTokenizer
from photographs.grids import half_of, pixels_digest


class TrainedClip(ClipModel):
    """A retrieval model that learnt from captions of a data set, as a `ClipModel`.

    It measures pictures that it has not seen. Those that it has, whose captions it may know by
    heart, are for `rewarding`.

    Args:
        half: makes the model that learnt from the training pictures of one half, 0 or 1.
    """

    def __init__(
        self,
        name: str,
        model: PhotoEncoder,
        tokenizer: WordTokenizer,
        prepare: Callable[[Pictures], Tensor],
        half: Callable[[int], ClipModel] | None = None,
    ) -> None:
        super().__init__(name, model, tokenizer, prepare)
        self._half = half

    @cached_property
    def rewarding(self) -> ClipModel:
        """Cross-fitted: each picture of the training split is seen by a model that it is new to."""
        return CrossFitted([self._half(0), self._half(1)]) if self._half else self


class CrossFitted(ClipModel):
    """Two models, each of which embeds the pictures of the half that it has not learnt from.

    Embeddings have a block for each. A picture is in one of them, the other is zero; a caption is
    in both. So the inner product of a picture and a caption is their cosine under the picture's
    model; that of pictures of different halves is 0.

    Args:
        halves: model i learnt from the pictures of `half_of` i.
    """

    def __init__(self, halves: Sequence[ClipModel]) -> None:
        first = halves[0]
        super().__init__(f"{first.name}, cross-fitted", first.model, first.tokenizer, first.prepare)
        self.halves: Any = torch.nn.ModuleList(halves)

    @cached_property
    def digest(self) -> str:
        return digest([half.digest for half in self.halves])

    def encode_images(self, images: Pictures | Tensor, batch_size: int = 64) -> Tensor:
        """Embed pictures: uint8 RGB `(B, H, W, 3)` -> `(B, 2E)`, one block of norm 1, one of 0."""
        both = torch.stack([half.encode_images(images, batch_size) for half in self.halves], dim=1)
        shas = [pixels_digest(np.asarray(picture)) for picture in images]
        unseen = torch.tensor([1 - half_of(sha) for sha in shas], device=both.device)
        chosen = one_hot(unseen, 2)[..., None].to(both.dtype)
        return (both * chosen).flatten(1)

    def encode_tokens(
        self, bpe: Tensor, precision: torch.dtype = torch.float32, waits: bool | None = None
    ) -> Tensor:
        """Embed ids `(M, L)` -> `(M, 2E)`, two blocks of norm 1."""
        return torch.cat([half.encode_tokens(bpe, precision, waits) for half in self.halves], dim=1)

    def beside(self, captions: Tensor, images: Tensor) -> Tensor:
        """Captions `(M, 2E)` in the block of their pictures `(M, 2E)` alone.

        So the images of a group are of one half, and one model compares them.
        """
        return torch.where(images != 0, captions, 0.0)
