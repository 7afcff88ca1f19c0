"""Karpathy's splits of Flickr8k, Flickr30k and COCO: one JSON file, and the photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field, field_serializer

from caption_evaluation.images import open_picture
from gegcore.data.dataset import DataSettings, ImageRecord
from gegcore.data.karpathy import KarpathyFile, KarpathyImage, parse_karpathy
from gegcore.errors import DataError, some
from gegcore.progress import track
from gegcore.runs import project_root
from gegcore.storage import digest, read_json, write_json
from photographs.pictures import Pictures, square
from photographs.sources import SOURCES


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

    def picture(self, path: Path) -> np.ndarray:
        """A photograph as the square that captioners of this data see; raises as `open_picture`."""
        return square(open_picture(path), self.image_px)

    def size(self, split: str) -> int:
        """As set, else counted; 2**31 where the file is not there, of which `open` complains."""
        wanted = getattr(self, split)
        path = project_root() / self.annotations
        if not path.is_file():
            return int(wanted or 2**31)
        found = len(_read(path, path.stat().st_mtime_ns).of_split(split))
        return min(found, wanted or found)

    def open(self, split: str, folder: Path) -> Photographs:
        """One split, its file and its photographs checked.

        Raises:
            DataError: the file or the photographs are not there; it has another layout, an unknown
                split, images in two splits, or with too few captions; the split is empty.
        """
        path = project_root() / self.annotations
        if not path.is_file():
            name = path.stem.removeprefix("dataset_")
            get = f"run `gegcore get {name}`, or " if name in SOURCES else ""
            raise DataError(
                f"there are no captions at {path}",
                f"{get}put or link Karpathy's {path.name} there, and the photographs at "
                f"{project_root() / self.pictures}; or set data.json and data.images",
            )
        content = _read(path, path.stat().st_mtime_ns)
        chosen = content.of_split(split)
        if not chosen:
            raise DataError(f"{path} has no image of split '{split}'", "use the whole file")
        self._check_captions(chosen, path)
        pictures = Pictures(project_root() / self.pictures)
        files = pictures.find(image.name for image in chosen)
        self._check_pictures([image.name for image in chosen if image.name not in files], pictures)
        records = [
            ImageRecord(int(image.image_id), image.captions, files[image.name])
            for image in chosen
            if image.name in files
        ]
        if self.skip_broken:
            records = _readable(records, pictures, split, folder / f"{split}-broken.json")
        kept = records[: getattr(self, split)]
        return Photographs(content.dataset, split, kept, pictures, self.image_px)

    def _check_captions(self, images: list[KarpathyImage], path: Path) -> None:
        said = {image.name: len(image.captions) for image in images}
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


@cache
def _read(path: Path, _modified: int) -> KarpathyFile:
    """Karpathy's JSON, checked; once in a process."""
    content = parse_karpathy(read_json(path), path)
    if any(isinstance(image.image_id, str) for image in content.images):
        raise DataError(f"{path}: images without cocoid and imgid", "number them: imgid 0, 1, ...")
    for field in ("name", "image_id"):
        counts = Counter(getattr(image, field) for image in content.images)
        twice = [str(value) for value, count in counts.items() if count > 1]
        if twice:
            what = f"{path} lists images more than once, or in two splits: {some(twice, 3)}"
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
