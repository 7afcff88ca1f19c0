"""Photographs in folders or in zips, found by name and read one by one."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from PIL import Image

from caption_evaluation.images import SUFFIXES, ImageId, matches, open_picture, visible_files
from gegcore.errors import DataError


class PictureSource(Protocol):
    """Where photographs are read from, by names that `find` gives."""

    place: Path

    def find(self, names: Iterable[str]) -> dict[str, str]:
        """File of each name; without a file: absent."""

    def read(self, file: str) -> Image.Image:
        """One of these files as 8-bit RGB, upright; DataError where it cannot be read.

        Several threads may read at once.
        """


class PictureFiles:
    """Anybody's files, by their paths."""

    place = Path()

    def find(self, names: Iterable[str]) -> dict[str, str]:
        return {name: name for name in names if Path(name).is_file()}

    def read(self, file: str) -> Image.Image:
        return open_picture(Path(file))


class Pictures:
    """The photographs of a place, which is read as it is: zips are not unpacked.

    Args:
        place: a folder, with or without folders and zips in it, or a zip file. Where it does not
            exist, but does with the ending `.zip` added or left out, that is meant. Of a zip beside
            a folder of its name (`train2014.zip`, `train2014/`) the folder is read.

    Raises:
        DataError: there is neither, or a zip is damaged.
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
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._reading_zip = Lock()  # zipfile promises nothing to threads
        self._walked: list[str] = []
        if not self.place.is_dir():
            self._zips[""] = _opened(self.place)
            return
        for path, file in visible_files(self.place):
            name = path.lstrip("/")
            packed = name.lower().endswith(".zip") and not _hidden(name)
            if packed and not os.path.isdir(file[:-4]):
                self._zips[f"{name}/"] = _opened(Path(file))
            self._walked.append(name)

    @cached_property
    def files(self) -> list[str]:
        """Paths of all picture files, from the place on; a zip is like a folder."""
        packed = (
            f"{at}{info.filename}"
            for at, opened in self._zips.items()
            for info in opened.infolist()
            if not info.is_dir()
        )
        found = (*self._walked, *packed)
        return sorted(x for x in found if x.lower().endswith(SUFFIXES) and not _hidden(x))

    def find(self, names: Iterable[str]) -> dict[str, str]:
        """File of each name; folders may be missing on one side. Without a file: absent."""
        asked = list(names)
        known: dict[ImageId, None] = dict.fromkeys(self.files)
        found = {str(name): str(file) for name, file in matches(asked, known).items()}
        # A folder that several links lead to is listed under one of their names only.
        return found | {name: name for name in asked if name not in found and self._linked(name)}

    def _linked(self, name: str) -> bool:
        inside = not os.path.isabs(name) and not _hidden(name)
        return inside and name.lower().endswith(SUFFIXES) and (self.place / name).is_file()

    def read(self, file: str) -> Image.Image:
        """One of `files` as 8-bit RGB, upright.

        Raises:
            DataError: it is gone, or no picture that can be read.
        """
        at = next((at for at in self._zips if file.startswith(at)), None)
        if at is None:
            return open_picture(self.place / file)
        try:
            with self._reading_zip:
                stream = io.BytesIO(self._zips[at].read(file.removeprefix(at)))
        except (KeyError, OSError, RuntimeError, zipfile.BadZipFile) as error:
            what = f"{file} in {self.place} cannot be read: {error}"
            raise DataError(what, "copy or download the zip again") from error
        return open_picture(stream, f"{file} in {self.place}")


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        what = f"{path} is neither a folder nor a whole zip: {error}"
        raise DataError(what, "copy or download it again") from error


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
