"""Captions and references from files: COCO results, COCO annotations, JSON Lines, mappings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gegcore.errors import DataError
from gegcore.evaluation.image_ids import ImageId, image_id, is_text
from gegcore.evaluation.json_file import JsonObject, read_json_file
from gegcore.evaluation.skipped import Skips

_ID_FIELDS = ("image_id", "image", "file_name", "id")
_TEXT_FIELDS = ("caption", "captions", "references", "text")

_FORMATS = (
    'write [{"image_id": 42, "caption": "a dog"}, ...] (COCO results), one such object a line '
    '(JSON Lines), {"42": "a dog", ...}, or COCO annotations'
)

_Entry = tuple[str, ImageId, Any]
"""Where it stands, its image, and what should be a caption or captions."""


class References(NamedTuple):
    """Reference captions of a file.

    Attributes:
        captions: image id -> its references, at least one.
        files: image id -> file name, of the images that the file names (COCO annotations).
    """

    captions: dict[ImageId, list[str]]
    files: dict[ImageId, str]


def read_captions(path: Path | str, skips: Skips | None = None) -> dict[ImageId, str]:
    """One caption per image, in the order of the file.

    A caption may be empty, and may stand in a list of its own, as pycocoevalcap has it.

    Args:
        path: COCO results or annotations, JSON Lines of the same entries, or a mapping of id to
            caption. `42`, `42.0` and `"42"` are the same id.
        skips: whether bad entries are left out; the first of an image's captions stays.

    Raises:
        DataError: no such file, malformed JSON, another structure, entries without id or caption,
            captions that are not text, two captions of an image; or no caption is left.
    """
    path, skips = Path(path), skips or Skips()
    captions: dict[ImageId, str] = {}
    first: dict[ImageId, str] = {}
    for where, image, value in _read(path, skips)[0]:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not is_text(value):
            skips.add(f"{path}: captions that are not one text", _wrong(where, image, value))
        elif image in captions:
            twice = f"{image!r} in {first[image]} and {where}"
            skips.add(f"{path}: images with two captions", twice)
        else:
            captions[image], first[image] = value, where
    skips.check("write one caption per image, as text")
    if not captions:
        raise DataError(f"{path} holds no captions", _FORMATS)
    return captions


def read_references(path: Path | str, skips: Skips | None = None) -> References:
    """Reference captions by image, and the file names of images where the file has them.

    Args:
        path: COCO annotations (`images`, `annotations`), a mapping of id to a list of captions,
            or entries as in a captions file, several of which may be of one image.
        skips: whether bad entries are left out.

    Raises:
        DataError: as `read_captions`; or an image with an empty list of references.
    """
    path, skips = Path(path), skips or Skips()
    entries, files = _read(path, skips)
    captions: dict[ImageId, list[str]] = {}
    for where, image, value in entries:
        values = value if isinstance(value, list) else [value]
        if not values:
            empty = f"{path}: images with an empty list of references"
            skips.add(empty, f"{where} (image {image!r})")
        for text in values:
            if is_text(text):
                captions.setdefault(image, []).append(text)
            else:
                skips.add(f"{path}: references that are not text", _wrong(where, image, text))
    for image, texts in list(captions.items()):
        if not any(map(str.isalnum, "".join(texts))):
            skips.add(f"{path}: images whose references hold no letter or digit", repr(image))
            del captions[image]
    skips.check("give each image at least one reference, as text with a word")
    if not captions:
        raise DataError(f"{path} holds no references", _FORMATS)
    return References(captions, files)


def _read(path: Path, skips: Skips) -> tuple[list[_Entry], dict[ImageId, str]]:
    """All entries that have an id and a caption, and file names by image."""
    content, places = read_json_file(path)
    kind, files = "entry", dict[ImageId, str]()
    if isinstance(content, JsonObject) and isinstance(content.get("annotations"), list):
        files = dict(_files(content.get("images")))
        kind, content = "annotation", content["annotations"]
    if isinstance(content, JsonObject):
        for key in content.repeated:
            skips.add(f"{path}: images named twice", f"key {_short(key)}")
        places = [f"key {_short(key)}" for key in content]
        content = [{"image_id": key, "caption": value} for key, value in content.items()]
    if not isinstance(content, list):
        raise DataError(
            f"{path} holds {_named(content)} at its top level, not a list or an object", _FORMATS
        )
    places = places or [f"{kind} {number}" for number in range(1, len(content) + 1)]
    found = [_entry(path, *item, skips) for item in zip(places, content, strict=True)]
    skips.check(_FORMATS)
    return [entry for entry in found if entry], files


def _entry(path: Path, where: str, item: Any, skips: Skips) -> _Entry | None:
    """What `{"image_id": ..., "caption": ...}` says, if it can be used."""
    if not isinstance(item, dict):
        skips.add(f"{path}: entries that are not objects", f"{where} is {_named(item)}")
        return None
    name = next((field for field in _ID_FIELDS if field in item), None)
    text = next((field for field in _TEXT_FIELDS if field in item), None)
    if name is None or text is None:
        absent = "image_id" if name is None else "caption"
        skips.add(f"{path}: entries without a field", f'{where} has no "{absent}"')
    elif (image := image_id(item[name])) is None:
        unusable = f"{where} ({name}: {_short(item[name])})"
        skips.add(f"{path}: ids that are neither number nor name", unusable)
    else:
        return where, image, item[text]
    return None


def _files(images: object) -> Iterator[tuple[ImageId, str]]:
    for item in images if isinstance(images, list) else ():
        if isinstance(item, dict):
            image, file = image_id(item.get("id")), item.get("file_name")
            if image is not None and is_text(file):
                yield image, file


def _wrong(where: str, image: ImageId, value: object) -> str:
    kind = "text with half a surrogate pair" if isinstance(value, str) else type(value).__name__
    return f"{where} (image {image!r}: {kind})"


def _named(value: object) -> str:
    """The type of a JSON value in JSON's words."""
    names = {bool: "true or false", str: "a string", list: "a list", JsonObject: "an object"}
    return "null" if value is None else names.get(type(value), "a number")


def _short(value: object) -> str:
    """A value as an error shows it: in ASCII, since it may not be writable text."""
    return ascii(value)[:60]
