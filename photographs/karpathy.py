"""Karpathy's splits of Flickr8k, Flickr30k and COCO: one JSON file, and the photographs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from gegcore.data.karpathy import KarpathyFile, KarpathyImage, parse_karpathy
from gegcore.errors import DataError
from gegcore.storage import read_json
from photographs.dataset import Captioned, PhotographData, check_once, in_place
from photographs.pictures import Pictures
from photographs.sources import SOURCES


class KarpathyData(PhotographData):
    """Karpathy's JSON (`dataset_flickr8k.json`, `dataset_coco.json`, ...) and its photographs."""

    kind: str = "karpathy"
    annotations: Path = Field(alias="json", description="the JSON; from the project folder on")
    pictures: Path = Field(alias="images", description="folder or zip; from the project folder on")

    @property
    def source(self) -> Path:
        return in_place(self.annotations)

    @property
    def corpus(self) -> str:
        return self._content().dataset

    def photographs(self) -> Pictures:
        return Pictures(in_place(self.pictures))

    def captioned(self, split: str) -> list[Captioned]:
        """Raises as `parse_karpathy`; DataError without the file, or with images listed twice."""
        return [_captioned(image) for image in self._content().of_split(split)]

    def _content(self) -> KarpathyFile:
        path = self.source
        if not path.is_file():
            name = path.stem.removeprefix("dataset_")
            get = f"run `gegcore get {name}`, or " if name in SOURCES else ""
            raise DataError(
                f"there are no captions at {path}",
                f"{get}put or link Karpathy's {path.name} there, and the photographs at "
                f"{in_place(self.pictures)}; or set data.json and data.images",
            )
        return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _modified: int) -> KarpathyFile:
    """The JSON, checked; once in a process."""
    content = parse_karpathy(read_json(path), path)
    if any(isinstance(image.image_id, str) for image in content.images):
        raise DataError(f"{path}: images without cocoid and imgid", "number them: imgid 0, 1, ...")
    check_once([_captioned(image) for image in content.images], path)
    return content


def _captioned(image: KarpathyImage) -> Captioned:
    return Captioned(image.image_id, image.name, image.captions)
