"""Ids of images as different programs write them, and the pictures in a folder that they mean."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeGuard, TypeVar

from PIL import Image

from gegcore.errors import DataError
from gegcore.evaluation.skipped import Skips

ImageId = int | str

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of picture files."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SUFFIX = re.compile(rf"(?<=.)(?:{'|'.join(map(re.escape, SUFFIXES))})$", re.IGNORECASE)
_COCO = re.compile(r"COCO_[A-Za-z0-9]+_([0-9]+)")

T = TypeVar("T")


def image_id(value: object) -> ImageId | None:
    """An id as written, with 42, 42.0 and "42" being the same; None if it cannot be an id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    return text if text and is_text(text) else None


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a string that can be written: JSON allows halves of surrogate pairs."""
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def bare(image: ImageId) -> str:
    """An id without folder, ending of a picture file, COCO's prefix and leading zeros."""
    text = _SUFFIX.sub("", re.split(r"[/\\]", str(image))[-1])
    if coco := _COCO.fullmatch(text):
        text = coco[1]
    return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text


def unique_by(key: Callable[[T], str], items: Iterable[T]) -> dict[str, T | None]:
    """Items by their keys; None where several have the same."""
    found: dict[str, T | None] = {}
    for item in items:
        name = key(item)
        found[name] = None if name in found else item
    return found


def matches(wanted: Iterable[ImageId], known: Mapping[ImageId, object]) -> dict[ImageId, ImageId]:
    """For each wanted id the known one that means the same image; those without are left out.

    The same id first. For the others the bare ones (`bare`) are compared, where that leaves no
    doubt: no two wanted and no two known ids have the same bare form.
    """
    asked = list(wanted)
    same = {image: image for image in asked if image in known}
    by_bare = unique_by(bare, known)
    others = {
        image: other
        for key, image in unique_by(bare, asked).items()
        if image is not None and (other := by_bare.get(key)) is not None and other not in same
    }
    return others | same


def find_pictures(
    folder: Path | str,
    images: Iterable[ImageId],
    names: Mapping[ImageId, str],
    skips: Skips | None = None,
) -> dict[ImageId, Path]:
    """The picture of each image in a folder and the folders in it.

    An image is looked up by its name in `names`, if it has one, else by its id as a file name, else
    by what is left of both without folder, ending, COCO's prefix and leading zeros: 42 finds
    `42.jpg`, `000042.png` and `val2014/COCO_val2014_000000000042.jpg`.

    Raises:
        DataError: no such folder, no picture in it; an image has no file, or more than one.
    """
    folder, skips = Path(folder), skips or Skips()
    visible = folder.rglob("[!.]*")
    paths = sorted(p for p in visible if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        problem = "holds no pictures" if folder.is_dir() else "is not a folder"
        raise DataError(f"{folder} {problem}", f"give that of the pictures: {', '.join(SUFFIXES)}")
    by_path = {path.relative_to(folder).as_posix(): path for path in paths}
    by_name = unique_by(lambda path: path.name, paths)
    by_bare = unique_by(lambda path: bare(path.name), paths)
    found: dict[ImageId, Path] = {}
    for image in images:
        for name in filter(None, (names.get(image), str(image))):
            path = by_path.get(name) or by_name.get(name.rpartition("/")[2])
            if path := path or by_bare.get(bare(name)):
                found.setdefault(image, path)
        if image not in found and bare(image) in by_bare:
            skips.add(f"{folder}: images with several pictures", repr(image))
        elif image not in found:
            skips.add(f"{folder}: images without a picture", names.get(image, repr(image)))
    skips.check("name pictures by image id (42.jpg), or list them under `images` in the references")
    return found


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
        what = f"{path} does not open as a picture: {reason[:120]}"
        raise DataError(what, "replace it, or remove it") from error
