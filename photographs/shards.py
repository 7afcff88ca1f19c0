"""webdataset shards: tar files in which a photograph and its captions have the same name."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from pydantic import Field, field_validator

from caption_evaluation.images import SUFFIXES, open_picture
from gegcore.data.dataset import SPLITS
from gegcore.errors import DataError
from gegcore.progress import track
from photographs.dataset import Captioned, PhotographData, check_once, in_place


class Member(NamedTuple):
    """Bytes of a file within a tar, which is not unpacked."""

    tar: Path
    at: int
    size: int


class ShardPictures:
    """Photographs in tar files, in the place of those in folders and zips."""

    def __init__(self, place: Path, members: dict[str, Member]) -> None:
        self.place, self._members = place, members

    def find(self, names: Iterable[str]) -> dict[str, str]:
        return {name: name for name in names if name in self._members}

    def read(self, file: str) -> Image.Image:
        """One by its name; DataError where it is gone, or no picture that can be read."""
        member = self._members[file]
        try:
            with open(member.tar, "rb") as stream:
                stream.seek(member.at)
                content = stream.read(member.size)
        except OSError as error:
            raise DataError(f"{member.tar} cannot be read: {error}", "copy it again") from error
        return open_picture(io.BytesIO(content), f"{file} in {member.tar}")


class ShardData(PhotographData):
    """Shards of each split, as img2dataset and webdataset write them.

    `a/0001.jpg` has its captions in `a/0001.json` (`captions`: a list, or `caption`) or in
    `a/0001.txt`, one a line. The name without its ending is the image.
    """

    kind: str = "webdataset"
    shards: dict[str, str] = Field(
        description="of train, val and test: a pattern such as data/mine/train-*.tar"
    )
    least_captions: int = Field(1, ge=1, description="of an image; fewer are an error")

    @field_validator("shards")
    @classmethod
    def _all_splits(cls, value: dict[str, str]) -> dict[str, str]:
        if set(value) != set(SPLITS):
            raise ValueError(f"give a pattern of {', '.join(SPLITS)} each")
        return value

    @property
    def source(self) -> Path:
        return in_place(Path(self.shards["train"])).parent

    @property
    def corpus(self) -> str:
        return self.source.name

    def photographs(self) -> ShardPictures:
        samples = (self._samples(split) for split in SPLITS)
        members = {name: sample.picture for found in samples for name, sample in found.items()}
        return ShardPictures(self.source, members)

    def captioned(self, split: str) -> list[Captioned]:
        """DataError without shards, with a damaged one, or with images in several."""
        every = {
            name: [
                Captioned(key, key, sample.captions) for key, sample in self._samples(name).items()
            ]
            for name in SPLITS
        }
        check_once([image for images in every.values() for image in images], self.source)
        return every[split]

    def _samples(self, split: str) -> dict[str, Sample]:
        pattern = in_place(Path(self.shards[split]))
        tars = sorted(pattern.parent.glob(pattern.name))
        if not tars:
            what = f"there are no shards {pattern}"
            raise DataError(what, f"put them there, or set data.shards.{split}")
        return _read(tuple(tars), tuple(tar.stat().st_mtime_ns for tar in tars))


class Sample(NamedTuple):
    picture: Member
    captions: tuple[str, ...]


@cache
def _read(tars: tuple[Path, ...], _modified: tuple[int, ...]) -> dict[str, Sample]:
    """Samples of shards by name; once in a process."""
    pictures: dict[str, Member] = {}
    said: dict[str, tuple[str, ...]] = {}
    for tar in track(tars, "shards", delay=2):
        try:
            with tarfile.open(tar) as opened:
                for info in opened:
                    stem, dot, ending = info.name.rpartition(".")
                    if info.isfile() and f".{ending.lower()}" in SUFFIXES:
                        if stem in pictures:
                            what = f"{tar} has a second photograph {stem}"
                            raise DataError(what, "keep each image once")
                        pictures[stem] = Member(tar, info.offset_data, info.size)
                    elif info.isfile() and dot and ending in ("json", "txt"):
                        content = opened.extractfile(info)
                        text = content.read().decode("utf-8") if content else ""
                        said[stem] = _captions(text, ending) or said.get(stem, ())
        except (OSError, tarfile.TarError, ValueError) as error:
            what = f"{tar} cannot be read as webdataset's shard: {error}"
            raise DataError(what, "copy or make it again") from error
    return {name: Sample(member, said.get(name, ())) for name, member in pictures.items()}


def _captions(text: str, ending: str) -> tuple[str, ...]:
    """Captions of one image; of JSON without any: none."""
    if ending == "txt":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    content: Any = json.loads(text)
    found = (
        content.get("captions", content.get("caption")) if isinstance(content, dict) else content
    )
    every = found if isinstance(found, list) else [found]
    return tuple(" ".join(x.split()) for x in every if isinstance(x, str) and x.strip())
