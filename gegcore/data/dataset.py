"""Images with captions, whatever world they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class ImageRecord:
    """One image and what people (or simulated annotators) said of it.

    Attributes:
        image_id: unique over all splits.
        captions: reference captions as written.
        file: path of the picture, None where it is painted on demand.
        scene: the scene graph as a dict in the embedded world, else None.
    """

    image_id: int
    captions: tuple[str, ...]
    file: str | None = None
    scene: dict[str, Any] | None = None


class CaptionDataset(Protocol):
    """One split of an image-caption corpus.

    `name` identifies the corpus, `split` is "train", "val" or "test". `images(indices)` returns
    uint8 RGB pixels `(B, H, W, 3)`, all of one size, for positions in `records`.
    """

    name: str
    split: str
    records: Sequence[ImageRecord]

    def images(self, indices: Sequence[int]) -> np.ndarray: ...
