"""Captions and photographs of one's own, in whatever form `gegcore evaluate` reads references."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from caption_evaluation.captions_file import References, read_references
from caption_evaluation.tables import NoSplits
from gegcore.data.dataset import SPLITS
from gegcore.errors import DataError
from photographs.dataset import Captioned, PhotographData, check_once, in_place
from photographs.pictures import Pictures


class OwnData(PhotographData):
    """A file of captions, JSON Lines or any other that `read_references` reads, and photographs.

    Splits are what its field or column `split` says, or Karpathy's; or one file each is given. Else
    the images are divided by a digest of their id, so that one more moves no other.
    """

    kind: str = "own"
    captions: dict[str, Path] = Field(
        description="a file, or one of train, val and test each; from the project folder on"
    )
    pictures: Path = Field(alias="images", description="folder or zip; from the project folder on")
    least_captions: int = Field(1, ge=1, description="of an image; fewer are an error")
    held_out: float = Field(
        0.1, gt=0, lt=0.5, description="share of val, and of test, of a file without splits"
    )

    @field_validator("captions", mode="before")
    @classmethod
    def _one_file(cls, value: Any) -> Any:
        given = value if isinstance(value, dict) else dict.fromkeys(SPLITS, value)
        if set(given) != set(SPLITS):
            raise ValueError(f"give one file, or one of {', '.join(SPLITS)} each")
        return given

    @property
    def source(self) -> Path:
        return in_place(self.captions["train"])

    @property
    def corpus(self) -> str:
        return self.source.stem

    def photographs(self) -> Pictures:
        return Pictures(in_place(self.pictures))

    def captioned(self, split: str) -> list[Captioned]:
        """Raises as `read_references`; DataError without a file, or with images listed twice."""
        paths = {name: in_place(path) for name, path in self.captions.items()}
        for path in paths.values():
            if not path.is_file():
                what, where = f"there are no captions at {path}", in_place(self.pictures)
                raise DataError(what, f"put them there, and the photographs at {where}")
        if len({*paths.values()}) > 1:
            every = {
                name: _read(path, path.stat().st_mtime_ns, None) for name, path in paths.items()
            }
            check_once([image for images in every.values() for image in images], self.source)
            return every[split]
        modified = self.source.stat().st_mtime_ns
        with suppress(NoSplits):
            named = {name: _read(self.source, modified, name) for name in SPLITS}
            check_once([image for part in named.values() for image in part], self.source)
            return named[split]
        images = _read(self.source, modified, None)
        check_once(images, self.source)
        return [image for image in images if self._split(image) == split]

    def _split(self, image: Captioned) -> str:
        """By a number in [0, 1) that the id alone decides."""
        first = hashlib.sha256(str(image.image).encode()).digest()[:6]
        place = int.from_bytes(first, "big") / 2**48
        return "test" if place < self.held_out else "val" if place < 2 * self.held_out else "train"


@cache
def _read(path: Path, _modified: int, split: str | None) -> list[Captioned]:
    """The images of a file, or of one of its splits; once in a process."""
    found: References = read_references(path, split=split)
    return [
        Captioned(image, found.files.get(image, str(image)), tuple(said))
        for image, said in found.captions.items()
    ]
