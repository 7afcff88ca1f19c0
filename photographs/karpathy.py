"""Karpathy's splits of Flickr8k, Flickr30k and COCO: one JSON file, and the photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_serializer,
)

from gegcore.data.dataset import SPLITS, DataSettings, ImageRecord
from gegcore.errors import DataError, some
from gegcore.progress import track
from gegcore.runs import project_root
from gegcore.storage import digest, read_json, write_json
from photographs.pictures import Pictures, square

_SPLIT_OF = {**{split: split for split in SPLITS}, "restval": "train"}
"""Split as the file has it -> where it is used; COCO's "restval" is trained on (Sec. 4.1)."""


class _Sentence(BaseModel):
    raw: str = ""
    tokens: list[str] = []

    @property
    def text(self) -> str:
        return " ".join((self.raw or " ".join(self.tokens)).split())


class _Image(BaseModel):
    filename: str
    split: str
    sentences: list[_Sentence]
    filepath: str = ""
    image_id: int = Field(validation_alias=AliasChoices("cocoid", "imgid"))

    @property
    def name(self) -> str:
        return f"{self.filepath}/{self.filename}" if self.filepath else self.filename


class _File(BaseModel):
    dataset: str
    images: list[_Image]


class Photographs:
    """One split: captions in memory, photographs read on demand (a `CaptionDataset`).

    Args:
        name: of the data set.
        records: `file` is the photograph's path from `pictures.place` on.
        side: of the squares that `images` gives, in pixels.
    """

    def __init__(
        self, name: str, split: str, records: Sequence[ImageRecord], pictures: Pictures, side: int
    ) -> None:
        self.name, self.split, self.records = name, split, records
        self.pictures, self.side = pictures, side

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Pixels uint8 RGB `(B, side, side, 3)`; DataError where a photograph cannot be read."""
        files = [str(self.records[index].file) for index in indices]
        return np.stack([square(self.pictures.read(file), self.side) for file in files])


class KarpathyData(DataSettings):
    """Karpathy's JSON (`dataset_flickr8k.json`, `dataset_coco.json`, ...) and its photographs."""

    model_config = ConfigDict(populate_by_name=True)

    kind: str = "karpathy"
    extractor: str = "grid"
    annotations: Path = Field(alias="json", description="the JSON; from the project folder on")
    pictures: Path = Field(alias="images", description="folder or zip; from the project folder on")
    network: str = Field("efficientnet-lite0", description="whose last map is the grid of cells")
    image_px: int = Field(224, ge=32, multiple_of=32, description="side that pictures are made")
    least_captions: int = Field(5, ge=1, description="of an image; fewer are an error")
    skip_broken: bool = Field(
        False, description="leave out images whose photograph is missing or damaged; else an error"
    )
    train: int | None = Field(None, ge=1, description="use the first so many images; default: all")
    val: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)

    @field_serializer("annotations", "pictures", when_used="json")
    def _without_folder(self, path: Path) -> str:
        """Runs do not depend on where the data lies, but on what it is."""
        return path.name

    def size(self, split: str) -> int:
        """As set, else counted; 2**31 where the file is not there, of which `open` complains."""
        wanted = getattr(self, split)
        path = project_root() / self.annotations
        if not path.is_file():
            return int(wanted or 2**31)
        found = len(_of_split(_read(path, path.stat().st_mtime_ns), split))
        return min(found, wanted or found)

    def open(self, split: str, folder: Path) -> Photographs:
        """One split, its file and its photographs checked.

        Raises:
            DataError: the file or the photographs are not there; it has another layout, an unknown
                split, images in two splits, or with too few captions; the split is empty.
        """
        path = project_root() / self.annotations
        if not path.is_file():
            raise DataError(
                f"there are no captions at {path}",
                f"put or link Karpathy's {path.name} there, and the photographs at "
                f"{project_root() / self.pictures}; or set data.json and data.images",
            )
        content = _read(path, path.stat().st_mtime_ns)
        chosen = _of_split(content, split)
        if not chosen:
            raise DataError(f"{path} has no image of split '{split}'", "use the whole file")
        self._check_captions(chosen, path)
        pictures = Pictures(project_root() / self.pictures)
        files = pictures.find(image.name for image in chosen)
        self._check_pictures([image.name for image in chosen if image.name not in files], pictures)
        records = [
            ImageRecord(image.image_id, tuple(s.text for s in image.sentences), files[image.name])
            for image in chosen
            if image.name in files
        ]
        if self.skip_broken:
            records = _readable(records, pictures, split, folder / f"{split}-broken.json")
        kept = records[: getattr(self, split)]
        return Photographs(content.dataset, split, kept, pictures, self.image_px)

    def _check_captions(self, images: list[_Image], path: Path) -> None:
        said = {i.name: sum(bool(s.text) for s in i.sentences) for i in images}
        few = [name for name, count in said.items() if count < self.least_captions]
        if few:
            what = f"{path}: fewer than {self.least_captions} captions of {some(few, 3)}"
            raise DataError(what, "complete them, or lower data.least_captions in the profile")

    def _check_pictures(self, missing: list[str], pictures: Pictures) -> None:
        if not missing:
            return
        what = f"{pictures.place} lacks {len(missing):,} photographs: {some(missing, 3)}"
        if not self.skip_broken:
            raise DataError(what, "add them, or set data.skip_broken: true in the profile")
        print(f"left out: {what}")


def _of_split(content: _File, split: str) -> list[_Image]:
    return [image for image in content.images if _SPLIT_OF[image.split] == split]


@cache
def _read(path: Path, _modified: int) -> _File:
    """Karpathy's JSON, checked; once in a process."""
    fix = "give Karpathy's dataset_*.json: images with filename, split and sentences"
    try:
        content = TypeAdapter(_File).validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}, field '{place}': {first['msg']}", fix) from error
    unknown = {image.split for image in content.images} - _SPLIT_OF.keys()
    if unknown:
        raise DataError(f"{path} has unknown splits: {some(sorted(unknown))}", fix)
    for what in ("name", "image_id"):
        twice = [x for x, n in Counter(getattr(i, what) for i in content.images).items() if n > 1]
        if twice:
            what = (
                f"{path} lists images more than once, or in two splits: {some(map(str, twice), 3)}"
            )
            raise DataError(what, "keep each image once: splits must not overlap")
    return content


def _readable(
    records: list[ImageRecord], pictures: Pictures, split: str, kept: Path
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
