"""Captions and references from files: COCO results, COCO annotations, JSON Lines, mappings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gegcore.errors import DataError
from gegcore.evaluation.image_ids import ImageId, image_id, is_text
from gegcore.evaluation.json_file import RepeatedKeys, read_json_file
from gegcore.evaluation.skipped import Skips

_ID_FIELDS = ("image_id", "image", "file_name", "id")
_TEXT_FIELDS = ("caption", "captions", "references", "text")

_FORMATS = (
    'write [{"image_id": 42, "caption": "a dog"}, ...] (COCO results), one such object a line '
    '(JSON Lines), {"42": "a dog", ...}, or COCO annotations'
)


class _Entry(NamedTuple):
    where: str
    image: ImageId
    value: object


@dataclass(frozen=True)
class References:
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
    entries, _ = _read(path, skips)
    captions: dict[ImageId, str] = {}
    first: dict[ImageId, str] = {}
    wrong: list[str] = []
    twice: list[str] = []
    for entry in entries:
        value = entry.value
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str) or not is_text(value):
            wrong.append(_described(entry, value))
        elif entry.image in captions:
            twice.append(f"{entry.image!r} in {first[entry.image]} and {entry.where}")
        else:
            captions[entry.image], first[entry.image] = value, entry.where
    skips.check(f"{path}: captions that are not one text", wrong, "write one text per image")
    skips.check(f"{path}: images with two captions", twice, "keep one caption per image")
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
    wrong: list[str] = []
    none: list[str] = []
    for entry in entries:
        values = entry.value if isinstance(entry.value, list) else [entry.value]
        usable = [value for value in values if isinstance(value, str) and is_text(value)]
        wrong += [_described(entry, value) for value in values if value not in usable]
        if usable:
            captions.setdefault(entry.image, []).extend(usable)
        elif not values:
            none.append(f"{entry.where} (image {entry.image!r})")
    skips.check(f"{path}: references that are not text", wrong, "write every reference as text")
    skips.check(f"{path}: images with an empty list of references", none, "give at least one")
    mute = [image for image, texts in captions.items() if not any(map(_has_word, texts))]
    reason = f"{path}: images whose references hold no letter or digit"
    skips.check(reason, [repr(image) for image in mute], "give each image a reference with a word")
    for image in mute:
        del captions[image]
    if not captions:
        raise DataError(f"{path} holds no references", _FORMATS)
    return References(captions, files)


def _has_word(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _described(entry: _Entry, value: object) -> str:
    kind = "text with half a surrogate pair" if isinstance(value, str) else type(value).__name__
    return f"{entry.where} (image {entry.image!r}: {kind})"


def _read(path: Path, skips: Skips) -> tuple[list[_Entry], dict[ImageId, str]]:
    """All entries that have an id and a caption, and file names by image."""
    content, by_line = read_json_file(path)
    if by_line:
        return _listed(path, [(f"line {line}", value) for line, value in content], skips), {}
    if isinstance(content, list):
        return _listed(path, _numbered("entry", content), skips), {}
    if not isinstance(content, dict):
        raise DataError(
            f"{path} holds {_named(content)} at its top level, not a list or an object", _FORMATS
        )
    if isinstance(content.get("annotations"), list):
        entries = _listed(path, _numbered("annotation", content["annotations"]), skips)
        return entries, dict(_files(content.get("images")))
    if isinstance(content, RepeatedKeys):
        again = [f"key {_short(key)}" for key in content.repeated]
        skips.check(f"{path}: images named twice", again, "give each image one entry")
    return _mapped(path, content, skips), {}


def _mapped(path: Path, content: dict[str, Any], skips: Skips) -> list[_Entry]:
    wanted = [(key, image_id(key), value) for key, value in content.items()]
    wrong = [f"key {_short(key)}" for key, image, _ in wanted if image is None]
    skips.check(f"{path}: keys that cannot be ids of images", wrong, "use numbers or names")
    return [
        _Entry(f"key {_short(key)}", image, value)
        for key, image, value in wanted
        if image is not None
    ]


def _listed(path: Path, items: Sequence[tuple[str, Any]], skips: Skips) -> list[_Entry]:
    """Entries `{"image_id": ..., "caption": ...}`."""
    entries: list[_Entry] = []
    no_object: list[str] = []
    without: list[str] = []
    no_id: list[str] = []
    for where, item in items:
        if not isinstance(item, dict):
            no_object.append(f"{where} is {_named(item)}")
            continue
        name = next((field for field in _ID_FIELDS if field in item), None)
        text = next((field for field in _TEXT_FIELDS if field in item), None)
        if name is None or text is None:
            field = "image_id" if name is None else "caption"
            without.append(f'{where} has no "{field}"')
        elif (image := image_id(item[name])) is None:
            no_id.append(f"{where} ({name}: {_short(item[name])})")
        else:
            entries.append(_Entry(where, image, item[text]))
    skips.check(f"{path}: entries that are not objects", no_object, _FORMATS)
    skips.check(f"{path}: entries without a field", without, _FORMATS)
    skips.check(f"{path}: ids that are neither number nor name", no_id, "use numbers or names")
    return entries


def _files(images: object) -> Iterator[tuple[ImageId, str]]:
    for item in images if isinstance(images, list) else ():
        if isinstance(item, dict):
            image, file = image_id(item.get("id")), item.get("file_name")
            if image is not None and isinstance(file, str) and is_text(file):
                yield image, file


def _numbered(kind: str, items: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(f"{kind} {number}", item) for number, item in enumerate(items, 1)]


def _named(value: object) -> str:
    """The type of a JSON value in JSON's words."""
    names = {bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), "a number")


def _short(value: object) -> str:
    """A value as an error shows it: in ASCII, since it may not be writable text."""
    return ascii(value)[:60]
