"""Ids of images as different programs write them, the pictures that they mean, their pixels."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Generic, TypeGuard, TypeVar

import numpy as np
from PIL import Image, ImageOps

from caption_evaluation.skipped import Skips
from gegcore.errors import DataError, printable

ImageId = int | str

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of picture files."""

READING = "8-bit RGB, upright"
"""How `open_picture` reads them, for signatures."""

MAX_PIXELS, MAX_ASPECT = 100_000_000, 1000
"""Of a picture: 0.4 GB when decoded, and at most as much when CLIP has resized its short side."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SUFFIX = re.compile(rf"(?<=.)(?:{'|'.join(map(re.escape, SUFFIXES))})$", re.IGNORECASE)
_BITS, _WHITE_IS_ZERO, _PLANES = 258, 262, 284  # tags of TIFF
_COCO = re.compile(r"COCO_[A-Za-z0-9]+_([0-9]+)")

T = TypeVar("T")


def image_id(value: object) -> ImageId | None:
    """An id as written (in NFC), 42, 42.0 and "42" being the same; None if it cannot be an id."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = unicodedata.normalize("NFC", str(value).strip())
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


def _ends(path: str, base: Callable[[str], str]) -> list[str]:
    """What a path ends in: "/a/b/c", "a/b/c", "b/c", "c"; its name as `base` has it."""
    whole = posixpath.normpath(unicodedata.normalize("NFC", path).replace("\\", "/"))
    *folders, name = [part for part in whole.split("/") if part not in ("", "..")] or [path]
    parts = ["", *folders, base(name)]
    return ["/".join(parts[start:]) for start in range(len(parts))]


class _Paths(Generic[T]):
    """Items by their paths."""

    def __init__(self, items: Iterable[tuple[str, T]], base: Callable[[str], str]) -> None:
        self._base, self._items = base, defaultdict[str, list[T]](list)
        for path, item in items:
            for end in _ends(path, base):
                self._items[end].append(item)

    def find(self, path: str) -> list[T]:
        """All that end in this path; else of the longest path that it ends in.

        So folders may be missing on one side, but never contradict each other.
        """
        _, whole, *ends = _ends(path, self._base)
        keys = (whole, *(f"/{end}" for end in ends))
        return next(filter(None, map(self._items.get, keys)), [])


def matches(wanted: Iterable[ImageId], known: Mapping[ImageId, object]) -> dict[ImageId, ImageId]:
    """For each wanted id the known one that means the same image; those without are left out.

    The same id first. Of the others the bare ones (`bare`) are compared, and the folders that both
    have, where that leaves no doubt: each is the only one that the other can be.
    """
    asked = list(wanted)
    same = {image: image for image in asked if image in known}
    rest = [image for image in asked if image not in same]
    if not rest:  # The usual case, without an index of all paths: 10 kB an image.
        return same
    ours, theirs = (_Paths(((str(x), x) for x in ids), bare) for ids in (asked, known))
    others = {
        image: found[0]
        for image in rest
        if len(found := theirs.find(str(image))) == 1
        and found[0] not in same
        and ours.find(str(found[0])) == [image]
    }
    return others | same


def find_pictures(
    folder: Path | str,
    images: Iterable[ImageId],
    names: Mapping[ImageId, str],
    skips: Skips | None = None,
) -> dict[ImageId, Path]:
    """The picture of each image in a folder and the folders in it, linked ones too.

    The file that an image has in `names` may have any ending, and lie in fewer or more folders, but
    no other takes its place. An image without is looked up by its id, without regard to ending,
    COCO's prefix and leading zeros: 42 finds `42.jpg`, `000042.png` and
    `val2014/COCO_val2014_000000000042.jpg`.

    Raises:
        DataError: no such folder, no picture in it; an image has no file, or more than one.
    """
    folder, skips = Path(folder), skips or Skips()
    files = list(visible_files(folder))
    pictures = [(name, path) for name, path in files if _SUFFIX.search(name)]
    as_written, as_bare = _Paths(files, str), _Paths(pictures, bare)
    found: dict[ImageId, Path] = {}
    for image in images:
        name = names.get(image) or str(image)
        ending, exact, alike = _SUFFIX.search(name), as_written.find(name), as_bare.find(name)
        direct = f"{folder}{_ends(name, str)[0]}"  # Linked folders have several names.
        if ending and image in names:
            alike = [path for path in alike if path.lower().endswith(ending[0].lower())]
        if not ending and image not in names:
            paths = alike or exact
        elif os.path.isfile(direct) and os.path.basename(direct)[0] != ".":
            paths = [direct]
        else:
            paths = exact or alike
        if paths and all(os.path.samefile(paths[0], path) for path in paths[1:]):
            found[image] = Path(paths[0])
        else:
            problem = "with several pictures" if paths else "without a picture"
            skips.add(f"{folder}: images {problem}", names.get(image, repr(image)))
    if not pictures and not found:
        problem = "holds no pictures" if folder.is_dir() else "is not a folder"
        raise DataError(f"{folder} {problem}", f"give that of the pictures: {', '.join(SUFFIXES)}")
    for image in _of_several_folders(found, names):
        skips.add(f"{folder}: images of several folders with one picture", repr(image))
        del found[image]
    skips.check("name pictures by image id (42.jpg), or list them under `images` in the references")
    return found


def _of_several_folders(
    found: Mapping[ImageId, Path], names: Mapping[ImageId, str]
) -> list[ImageId]:
    """Images that have one picture although their own folders contradict each other."""
    users: defaultdict[Path, dict[ImageId, str]] = defaultdict(dict)
    for image, path in found.items():
        users[path][image] = _ends(names.get(image) or str(image), bare)[0]
    groups = ((same, max(same.values(), key=len)) for same in users.values())
    return [x for same, long in groups if not all(map(long.endswith, same.values())) for x in same]


def visible_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Path from `folder` on, and path, of regular files that are not hidden, in folders below, too.

    Links to folders are followed last, and no folder is entered twice: loops end.
    """
    pending, entered = [str(folder)], set[str]()
    for start in pending:  # It grows.
        for here, folders, names in os.walk(start):
            if (real := os.path.realpath(here)) in entered:
                folders.clear()
                continue
            entered.add(real)
            folders[:] = sorted(x for x in folders if x[0] != ".")
            pending += [path for x in folders if os.path.islink(path := os.path.join(here, x))]
            for path in (os.path.join(here, x) for x in sorted(names) if x[0] != "."):
                if os.path.isfile(path):  # No pipe or device: opening one may last for ever.
                    yield path[len(str(folder)) :], path


def open_picture(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Read a picture as 8-bit RGB, upright as its EXIF says: the first frame, opaque.

    Args:
        file: its path, or its bytes, of which errors say `name`.

    Raises:
        DataError: it is no picture, is damaged, has more than `MAX_PIXELS` or one side `MAX_ASPECT`
            times the other, or does not tell which of its values is white (`_eight_bits`).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of palettes, metadata and large pictures.
            with Image.open(file) as picture:
                return _upright_rgb(picture)
    # Decoders raise whatever a damaged file leads them to: SyntaxError, struct.error, ...
    except Exception as error:
        reason = str(error).split("\n")[0].replace(repr(str(file)), "it") or type(error).__name__
        shown = printable(name or str(file))
        what = f"{shown} does not open as a picture: {reason.replace(repr(file), 'it')[:120]}"
        raise DataError(what, "replace it, or remove it") from error


def _upright_rgb(picture: Image.Image) -> Image.Image:
    (short, long), tags = sorted(picture.size), getattr(picture, "tag_v2", {})
    if short * long > MAX_PIXELS or long > MAX_ASPECT * short:
        size = f"{short} x {long} pixels, {short * long / 1e6:.0f} megapixels"
        limit = f"{MAX_PIXELS / 1e6:.0f}, or {MAX_ASPECT} times as long as wide"
        raise ValueError(f"{size}: more than {limit}")
    if tags.get(_PLANES) == 2 and picture.info["compression"] == "raw" and max(tags[_BITS]) > 8:
        raise ValueError("Pillow misreads uncompressed planes of 16 bits")
    picture.load()
    with suppress(Exception):  # Damaged EXIF says nothing.
        if picture.format != "TIFF":  # Pillow has turned it.
            ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _eight_bits(picture)
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    rgb.info = {}
    return rgb


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Deeper grey, scaled: white is 65535 of 16 bits, 4095 of 12, 1 of floats up to 1.

    Of other numbers it is 255 if they are whole and none is higher, of integers of 32 bits else
    65535. Any others nobody knows to read: ValueError.
    """
    pixels, tags, kind = np.asarray(picture), getattr(picture, "tag_v2", {}), picture.mode
    low, high = pixels.min(), pixels.max()  # NaN if one pixel is.
    bits = tags.get(_BITS, (0,))[0]
    if kind.startswith("I;16") or (kind == "I" and picture.format in ("PPM", "PNG")):
        white = 4095 if bits == 12 else 65535
    elif kind == "F" and 0 <= low <= high <= 1:
        white = 1
    elif 0 <= low <= high <= 255 and not (pixels % 1).any():
        white = 255
    elif kind == "I" and 0 <= low <= high <= 65535 and bits != 16:
        white = 65535
    else:
        raise ValueError(f"grey from {low:g} to {high:g} does not tell what is white")
    grey = np.rint(pixels * np.float32(255 / white)).astype(np.uint8)
    return Image.fromarray(255 - grey if tags.get(_WHITE_IS_ZERO) == 0 else grey)
