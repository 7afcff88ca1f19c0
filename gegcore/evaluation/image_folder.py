"""Pictures in a folder, found by the ids of their images and opened when they are needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from gegcore.errors import DataError
from gegcore.evaluation.image_ids import SUFFIXES, ImageId, bare, unique_by
from gegcore.evaluation.skipped import Skips


class ImageFolder:
    """The pictures of a folder and of the folders in it.

    An image is looked up by the file name that the references give it, else by its id as a file
    name, else by what is left of both without folder, ending, COCO's prefix and leading zeros:
    42 finds `42.jpg`, `000042.png` and `val2014/COCO_val2014_000000000042.jpg`.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder", "give the folder of the pictures")
        self._paths = sorted(_pictures(self.folder))
        if not self._paths:
            raise DataError(
                f"{self.folder} holds no pictures",
                f"give the folder of the pictures ({', '.join(SUFFIXES)})",
            )
        self._by_path = {path.relative_to(self.folder).as_posix(): path for path in self._paths}
        self._by_name, _ = unique_by((path.name, path) for path in self._paths)
        self._by_bare, self._doubtful = unique_by((bare(path.name), path) for path in self._paths)

    def find(
        self, images: Iterable[ImageId], names: Mapping[ImageId, str], skips: Skips | None = None
    ) -> dict[ImageId, Path]:
        """The file of each image.

        Args:
            images: ids.
            names: file names of images, where known.
            skips: whether images without a file are left out.

        Raises:
            DataError: an image has no file, or more than one.
        """
        skips = skips or Skips()
        found: dict[ImageId, Path] = {}
        missing: list[str] = []
        doubtful: list[str] = []
        for image in images:
            path = self._lookup(image, names.get(image))
            if path is not None:
                found[image] = path
            elif bare(image) in self._doubtful:
                doubtful.append(repr(image))
            else:
                missing.append(names.get(image, repr(image)))
        fix = "name pictures by image id (42.jpg), or list them under `images` in the references"
        skips.check(f"{self.folder}: images without a picture", missing, fix)
        skips.check(f"{self.folder}: images with several pictures", doubtful, fix)
        return found

    def _lookup(self, image: ImageId, name: str | None) -> Path | None:
        for wanted in filter(None, (name, str(image))):
            for table, key in (
                (self._by_path, wanted),
                (self._by_name, wanted.rpartition("/")[2]),
                (self._by_bare, bare(wanted)),
            ):
                if key in table:
                    return table[key]
        return None


def open_picture(path: Path) -> Image.Image:
    """Read a picture whole, as RGB.

    Raises:
        DataError: it is no picture, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of palettes, metadata and large pictures.
            with Image.open(path) as picture:
                return picture.convert("RGB")
    # Decoders raise whatever a damaged file leads them to: SyntaxError, struct.error, ...
    except Exception as error:
        reason = str(error).split("\n")[0].replace(repr(str(path)), "it") or type(error).__name__
        raise DataError(
            f"{path} does not open as a picture: {reason[:120]}", "replace it, or remove it"
        ) from error


def _pictures(folder: Path) -> Iterable[Path]:
    for here, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(here, name)
