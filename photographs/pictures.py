"""Photographs in a folder or in a zip, found by name and read one by one."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from caption_evaluation.images import SUFFIXES, ImageId, matches, open_picture
from gegcore.errors import DataError


class Pictures:
    """The photographs of a place, which is read as it is: a zip is not unpacked.

    Args:
        place: a folder, with or without folders in it, or a zip file. Where it does not exist, but
            does with the ending `.zip` added or left out, that is meant.

    Raises:
        DataError: there is neither, or the zip is damaged.
    """

    def __init__(self, place: Path) -> None:
        other = (
            place.with_suffix("")
            if place.suffix == ".zip"
            else place.with_name(f"{place.name}.zip")
        )
        self.place = next((path for path in (place, other) if path.exists()), place)
        if not self.place.exists():
            raise DataError(
                f"there are no pictures at {place}",
                "put or link the folder or the zip of them there, or set data.images",
            )
        self._zip: zipfile.ZipFile | None = None
        if not self.place.is_dir():
            try:
                self._zip = zipfile.ZipFile(self.place)
            except (OSError, zipfile.BadZipFile) as error:
                what = f"{self.place} is neither a folder nor a whole zip: {error}"
                raise DataError(what, "copy or download it again") from error

    @cached_property
    def files(self) -> list[str]:
        """Paths of all picture files, from the place on."""
        if self._zip:
            found = (info.filename for info in self._zip.infolist() if not info.is_dir())
        else:
            walk = os.walk(self.place, followlinks=True)
            found = (
                os.path.relpath(f"{at}/{x}", self.place) for at, _, names in walk for x in names
            )
        return sorted(x for x in found if x.lower().endswith(SUFFIXES) and not _hidden(x))

    def find(self, names: Iterable[str]) -> dict[str, str]:
        """File of each name; folders may be missing on one side. Without a file: absent."""
        known: dict[ImageId, None] = dict.fromkeys(self.files)
        return {str(name): str(file) for name, file in matches(names, known).items()}

    def read(self, file: str) -> Image.Image:
        """One of `files` as 8-bit RGB, upright.

        Raises:
            DataError: it is gone, or no picture that can be read.
        """
        if self._zip is None:
            return open_picture(self.place / file)
        try:
            stream = io.BytesIO(self._zip.read(file))
        except (KeyError, OSError, RuntimeError, zipfile.BadZipFile) as error:
            what = f"{file} in {self.place} cannot be read: {error}"
            raise DataError(what, "copy or download the zip again") from error
        return open_picture(stream, f"{file} in {self.place}")


def square(picture: Image.Image | np.ndarray, side: int) -> np.ndarray:
    """Pixels uint8 `(side, side, 3)`: all of the picture, stretched where it is not square."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    if picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(picture)


def _hidden(file: str) -> bool:
    """Of another program: `.DS_Store`, `__MACOSX/._a.jpg`."""
    return any(part[:1] == "." or part == "__MACOSX" for part in Path(file).parts)
