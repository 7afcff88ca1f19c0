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
    """One split of an image-caption corpus."""

    @property
    def name(self) -> str:
        """Of the corpus."""

    @property
    def split(self) -> str:
        """One of "train", "val", "test"."""

    @property
    def records(self) -> Sequence[ImageRecord]:
        """One an image."""

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Pixels of the images at positions in `records`: uint8 RGB `(B, H, W, 3)`."""
