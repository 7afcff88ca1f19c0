"""Karpathy's JSON of captions and splits: `dataset_coco.json`, `dataset_flickr8k.json`, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gegcore.data.dataset import SPLITS
from gegcore.errors import DataError, some

SPLIT_OF = {**{split: split for split in SPLITS}, "restval": "train"}
"""Split as the file has it -> where it is used; COCO's "restval" is trained on (Sec. 4.1)."""

_FIX = "give Karpathy's dataset_*.json: images with filename, split and sentences"


class KarpathySentence(BaseModel):
    """A caption: as written, or in words."""

    raw: str = ""
    tokens: list[str] = []

    @property
    def text(self) -> str:
        return " ".join((self.raw or " ".join(self.tokens)).split())


class KarpathyImage(BaseModel):
    """An image, its captions and its split."""

    filename: str
    split: str
    sentences: list[KarpathySentence]
    filepath: str = ""
    imgid: int | None = None
    cocoid: int | None = None

    @property
    def image_id(self) -> int | str:
        """COCO's, else Karpathy's own, else the file."""
        numbers = (number for number in (self.cocoid, self.imgid) if number is not None)
        return next(numbers, self.name)

    @property
    def name(self) -> str:
        """File with its folder, if the JSON has it."""
        return f"{self.filepath}/{self.filename}" if self.filepath else self.filename

    @property
    def captions(self) -> tuple[str, ...]:
        """As written; those that say nothing are left out."""
        return tuple(sentence.text for sentence in self.sentences if sentence.text)


class KarpathyFile(BaseModel):
    """All images of a data set."""

    dataset: str = "karpathy"
    images: list[KarpathyImage]

    def of_split(self, split: str) -> list[KarpathyImage]:
        """Images that are used in "train", "val" or "test"."""
        return [image for image in self.images if SPLIT_OF[image.split] == split]


def is_karpathy(content: Any) -> bool:
    """Whether JSON is meant to be in this form."""
    images = content.get("images") if isinstance(content, dict) else None
    first = images[0] if isinstance(images, list) and images else None
    return isinstance(first, dict) and "sentences" in first


def parse_karpathy(content: Any, path: Path) -> KarpathyFile:
    """The content of a JSON file, checked.

    Raises:
        DataError: it is in another form (the first field that is wrong is named), or has a split
            that nobody knows.
    """
    try:
        found = KarpathyFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "at its top level"
        raise DataError(f"{path}, field '{place}': {first['msg']}", _FIX) from error
    unknown = {image.split for image in found.images} - SPLIT_OF.keys()
    if unknown:
        raise DataError(f"{path} has unknown splits: {some(sorted(unknown))}", _FIX)
    return found
