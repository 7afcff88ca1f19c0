"""Images with captions, whatever world they come from, and how a profile names them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gegcore.code_digest import code_digest, modules_of
from gegcore.errors import ConfigError, DataError
from gegcore.storage import digest

SPLITS = ("train", "val", "test")

_PROBES = 32
"""Pictures whose pixels are compared before what was stored of a split is taken for current."""


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


class DataSettings(BaseModel, ABC):
    """`data` of a profile: a subclass is one kind of data set, its fields are what can be set.

    `kind` says which: a name that `gegcore.registry` finds, such as `package.module:Class`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    learns_attributes: ClassVar[bool] = False
    """Whether attributes are learnt from captions where the extractor gives none (LSTM-A3)."""

    kind: str
    extractor: str = Field(
        "", description="what computes the features: a function (device) -> extractor, by name"
    )

    @abstractmethod
    def size(self, split: str) -> int:
        """Number of images of "train", "val" or "test", without opening it where that is costly."""

    def of_files(self, paths: Sequence[Path]) -> CaptionDataset:
        """Anybody's pictures as images of this data set, without captions.

        Raises:
            ConfigError: this data set has no pictures in files.
        """
        what = f"data of kind '{self.kind}' has no pictures in files"
        raise ConfigError(what, "take a profile of photographs, such as flickr8k")

    @abstractmethod
    def open(self, split: str, folder: Path) -> CaptionDataset:
        """One split; `folder` is the data set's own, for what it wishes to keep.

        Raises:
            DataError: the split is not there, or damaged.
        """


def pictures_key(dataset: CaptionDataset) -> dict[str, str]:
    """What is made of a split's pictures alone: which they are, and a sample of their pixels.

    The pixels and the code tell another painter, or other files under the same names.

    Raises:
        DataError: there are none.
    """
    records = dataset.records
    if not len(records):
        raise DataError(f"split {dataset.split!r} of {dataset.name} has no images", "add some")
    probes = np.linspace(0, len(records) - 1, min(_PROBES, len(records))).round().astype(int)
    pixels = [np.ascontiguousarray(x).tobytes() for x in dataset.images(probes.tolist())]
    return {
        "dataset": dataset.name,
        "split": dataset.split,
        "painter": code_digest(*modules_of(dataset)),
        "images": digest([[record.image_id, record.file, record.scene] for record in records]),
        "pixels": hashlib.sha256(b"".join(pixels)).hexdigest()[:16],
    }


def annotations_digest(dataset: CaptionDataset) -> str:
    """Digest of image ids, captions and scene graphs."""
    return digest([[r.image_id, list(r.captions), r.scene] for r in dataset.records])
