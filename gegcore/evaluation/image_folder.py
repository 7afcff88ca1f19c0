"""Pictures in a folder, found by the ids of their images and opened when they are needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from gegcore.errors import DataError
from gegcore.evaluation.image_ids import SUFFIXES, ImageId, bare, unique_by
from gegcore.evaluation.skipped import Skips


def find_pictures(
    folder: Path | str,
    images: Iterable[ImageId],
    names: Mapping[ImageId, str],
    skips: Skips | None = None,
) -> dict[ImageId, Path]:
    """The picture of each image in a folder and the folders in it.

    An image is looked up by the file name that the references give it, else by its id as a file
    name, else by what is left of both without folder, ending, COCO's prefix and leading zeros:
    42 finds `42.jpg`, `000042.png` and `val2014/COCO_val2014_000000000042.jpg`.

    Args:
        folder: of the pictures.
        images: ids.
        names: file names of images, where known.
        skips: whether images without a file are left out.

    Raises:
        DataError: no such folder, no picture in it; an image has no file, or more than one.
    """
    folder, skips = Path(folder), skips or Skips()
    paths = sorted(path for path in folder.rglob("*") if _is_picture(path))
    if not paths:
        problem = "holds no pictures" if folder.is_dir() else "is not a folder"
        endings = ", ".join(SUFFIXES)
        raise DataError(f"{folder} {problem}", f"give the folder of the pictures ({endings})")
    by_path = {path.relative_to(folder).as_posix(): path for path in paths}
    by_name, _ = unique_by((path.name, path) for path in paths)
    by_bare, doubtful = unique_by((bare(path.name), path) for path in paths)
    found: dict[ImageId, Path] = {}
    for image in images:
        for name in filter(None, (names.get(image), str(image))):
            path = by_path.get(name) or by_name.get(name.rpartition("/")[2])
            if path := path or by_bare.get(bare(name)):
                found[image] = path
                break
        else:
            if bare(image) in doubtful:
                skips.add(f"{folder}: images with several pictures", repr(image))
            else:
                skips.add(f"{folder}: images without a picture", names.get(image, repr(image)))
    skips.check("name pictures by image id (42.jpg), or list them under `images` in the references")
    return found


def _is_picture(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and not path.is_dir()


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
