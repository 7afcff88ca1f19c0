"""Photographs with captions as splits of a data set, wherever the captions come from."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field, field_serializer

from gegcore.data.dataset import DataSettings, ImageRecord
from gegcore.errors import DataError, some
from gegcore.progress import track
from gegcore.runs import project_root
from gegcore.storage import digest, read_json, write_json
from photographs.pictures import PictureFiles, PictureSource, square


@dataclass(frozen=True)
class Captioned:
    """An image as a file of captions has it.

    Attributes:
        image: its id or its name.
        file: name of the photograph, or what tells it; folders may be missing.
    """

    image: int | str
    file: str
    captions: tuple[str, ...]

    @property
    def number(self) -> int:
        """The id; of a name a number of its own, the same wherever it stands."""
        if isinstance(self.image, int):
            return self.image
        return int.from_bytes(hashlib.sha256(self.image.encode()).digest()[:6], "big")


class Photographs:
    """One split: captions in memory, photographs read on demand (a `CaptionDataset`).

    Args:
        name: of the data set.
        records: `file` is the photograph's path from `pictures.place` on.
        side: of the squares that `images` gives, in pixels.
    """

    def __init__(
        self,
        name: str,
        split: str,
        records: Sequence[ImageRecord],
        pictures: PictureSource,
        side: int,
    ) -> None:
        self.name, self.split, self.records = name, split, records
        self.pictures, self.side = pictures, side

    def originals(self, indices: Sequence[int]) -> list[Image.Image]:
        """The photographs as they are; DataError where one cannot be read."""
        return [self.pictures.read(str(self.records[index].file)) for index in indices]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Pixels uint8 RGB `(B, side, side, 3)`; raises as `originals`."""
        return np.stack([square(picture, self.side) for picture in self.originals(indices)])


class PhotographData(DataSettings):
    """What all kinds of photographs share; a kind says where captions and photographs are."""

    model_config = ConfigDict(populate_by_name=True)
    learns_attributes: ClassVar[bool] = True

    extractor: str = "grid"
    network: str = Field(
        "efficientnet-lite0", description="whose last map gives cells and pooled features"
    )
    detector: str = Field(
        "fasterrcnn_resnet50_fpn_v2", description="of torchvision, for the extractor regions"
    )
    detector_weights: Path | None = Field(
        None, description="its state dict; default: torchvision's own of COCO"
    )
    regions: int = Field(36, ge=1, description="N of the extractors regions and stored")
    features: dict[str, Path] = Field(
        {},
        description="files of the extractor stored, by `photographs.stored.PARTS`",
    )
    mean_region: bool = Field(
        False, description="stored: the mean of the regions is the first, as X-modaler reads some"
    )
    image_px: int = Field(224, ge=32, multiple_of=32, description="side that pictures are made")
    least_captions: int = Field(5, ge=1, description="of an image; fewer are an error")
    skip_broken: bool = Field(
        False, description="leave out images whose photograph is missing or damaged; else an error"
    )
    train: int | None = Field(None, ge=1, description="use the first so many images; default: all")
    val: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)

    @field_serializer("*", when_used="json", check_fields=False)
    def _without_folder(self, value: object) -> object:
        """Runs do not depend on where the data lies, but on what it is."""
        if isinstance(value, dict):
            return {name: getattr(path, "name", path) for name, path in value.items()}
        return value.name if isinstance(value, Path) else value

    @abstractmethod
    def captioned(self, split: str) -> list[Captioned]:
        """The images of a split in their order.

        Raises:
            DataError: the file of captions is not there, or has something else in it.
        """

    @property
    @abstractmethod
    def source(self) -> Path:
        """The file of captions, for error messages."""

    @property
    @abstractmethod
    def corpus(self) -> str:
        """Name of the data set."""

    @abstractmethod
    def photographs(self) -> PictureSource:
        """Where the photographs are; DataError if nowhere."""

    def of_files(self, paths: Sequence[Path]) -> Photographs:
        """Anybody's photographs, which need not be of this data set."""
        records = [ImageRecord(row, (), str(path)) for row, path in enumerate(paths)]
        return Photographs(self.corpus, "", records, PictureFiles(), self.image_px)

    def size(self, split: str) -> int:
        """As set, else counted; 2**31 where the file is not there, of which `open` complains."""
        wanted = getattr(self, split)
        if not self.source.exists():
            return int(wanted or 2**31)
        found = len(self.captioned(split))
        return min(found, wanted or found)

    def open(self, split: str, folder: Path) -> Photographs:
        """One split, its captions and its photographs checked.

        Raises:
            DataError: captions or photographs are not there, or not as they should be; images in
                two splits, or with too few captions; the split is empty.
        """
        chosen = self.captioned(split)
        if not chosen:
            raise DataError(f"{self.source} has no image of split '{split}'", "use the whole file")
        self._check_captions(chosen)
        pictures = self.photographs()
        files = pictures.find(image.file for image in chosen)
        self._check_pictures([image.file for image in chosen if image.file not in files], pictures)
        records = [
            ImageRecord(image.number, image.captions, files[image.file])
            for image in chosen
            if image.file in files
        ]
        if self.skip_broken:
            records = _readable(records, pictures, split, folder / f"{split}-broken.json")
        kept = records[: getattr(self, split)]
        return Photographs(self.corpus, split, kept, pictures, self.image_px)

    def _check_captions(self, images: list[Captioned]) -> None:
        few = [image.file for image in images if len(image.captions) < self.least_captions]
        if few:
            what = f"{self.source}: fewer than {self.least_captions} captions of {some(few, 3)}"
            raise DataError(what, "complete them, or lower data.least_captions in the profile")

    def _check_pictures(self, missing: list[str], pictures: PictureSource) -> None:
        if not missing:
            return
        what = f"{pictures.place} lacks {len(missing):,} photographs: {some(missing, 3)}"
        if not self.skip_broken:
            raise DataError(what, "add them, or set data.skip_broken: true in the profile")
        print(f"left out: {what}")


def in_place(path: Path) -> Path:
    """A path of a profile: from the project folder on."""
    return project_root() / path


def check_once(images: Sequence[Captioned], source: Path) -> None:
    """DataError where two images of all splits have the same file or id."""
    for field in ("file", "number"):
        counts = Counter(getattr(image, field) for image in images)
        twice = [str(value) for value, count in counts.items() if count > 1]
        if twice:
            what = f"{source} lists images more than once, or in two splits: {some(twice, 3)}"
            raise DataError(what, "keep each image once: splits must not overlap")


def _readable(
    records: list[ImageRecord], pictures: PictureSource, split: str, kept: Path
) -> list[ImageRecord]:
    """Those whose photograph can be read; what cannot is listed in the file `kept`, and said."""
    key = digest([[record.file for record in records], str(pictures.place)])
    stored = read_json(kept) if kept.is_file() else {}
    if stored.get("key") != key:
        broken = {}
        for record in track(records, f"photographs of {split}"):
            try:
                pictures.read(str(record.file))
            except DataError as error:
                broken[str(record.file)] = error.what
        write_json(kept, stored := {"key": key, "broken": broken})
    if stored["broken"]:
        print(f"left out of {split}, damaged: {some(stored['broken'].values(), 3)}")
    return [record for record in records if record.file not in stored["broken"]]
