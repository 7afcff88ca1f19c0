"""Captions and references from files: COCO results, COCO annotations, JSON Lines, mappings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gegcore.errors import DataError
from gegcore.evaluation.images import ImageId, image_id, is_text
from gegcore.evaluation.json_file import JsonObject, read_json_file
from gegcore.evaluation.skipped import Skips
from gegcore.metrics import ptb

_ID_FIELDS = ("image_id", "image", "file_name", "id")
_TEXT_FIELDS = ("caption", "captions", "references", "text")

_FORMATS = (
    'write [{"image_id": 42, "caption": "a dog"}, ...] (COCO results), one such object a line '
    '(JSON Lines), {"42": "a dog", ...}, or COCO annotations'
)

MOST_WORDS, MOST_CHARACTERS = 500, 5_000
"""Of one text; words and signs count. METEOR's time grows with the third power of the length: of
one word repeated, 300 times take 3 s, 1,000 more than a minute, and 2,000 all of its memory."""

_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
_ENTITY = re.compile(r"&#?\w+;")
_PLAIN = re.compile("[A-Za-z0-9]")

_KARPATHY = (
    "write {id: [sentence['raw'] for sentence in image['sentences']], ...} of the images of your"
    " split, where the id is that of your captions: cocoid, imgid or filename"
)

_Text = tuple[str, ImageId, str]
"""Where it stands, its image, and what it says."""


class References(NamedTuple):
    """Image id -> its references, and -> its file name where the file has it."""

    captions: dict[ImageId, list[str]]
    files: dict[ImageId, str]


def read_captions(
    path: Path | str, skips: Skips | None = None, content: bytes | None = None
) -> dict[ImageId, str]:
    """One caption per image, in the order of the file.

    A caption may be empty, and may stand in a list of its own, as pycocoevalcap has it.

    Args:
        path: COCO results or annotations, JSON Lines of the same entries, a mapping of id to
            caption, or an object that holds one list of entries. `42`, `42.0` and `"42"` are the
            same id. A text longer than `MOST_WORDS` or `MOST_CHARACTERS` is bad input.
        skips: whether bad entries are left out; the first of an image's captions stays.
        content: of the file, where it has been read already.

    Raises:
        DataError: malformed JSON, bad entries, two captions of an image; or no caption is left.
    """
    path, skips = Path(path), skips or Skips()
    captions: dict[ImageId, str] = {}
    first: dict[ImageId, str] = {}
    for where, image, text in _read(path, skips, content)[0]:
        if image in captions:
            twice = f"{image!r} in {first[image]} and {where}"
            skips.add(f"{path}: images with two captions", twice)
        else:
            captions[image], first[image] = text, where
    skips.check("keep one caption per image")
    if not captions:
        raise DataError(f"{path} holds no captions", _FORMATS)
    return captions


def read_references(
    path: Path | str, skips: Skips | None = None, content: bytes | None = None
) -> References:
    """Reference captions by image, and the file names of images where the file has them.

    The formats are those of `read_captions`, with lists of captions, or several entries an image.

    Raises:
        DataError: as `read_captions`; or an image without a reference that holds a word:
            a letter or digit, and something that the tokenizer does not drop.
        ToolError: the tokenizer failed.
    """
    path, skips = Path(path), skips or Skips()
    found, files = _read(path, skips, content)
    captions: dict[ImageId, list[str]] = {}
    for _, image, text in found:
        captions.setdefault(image, []).append(text)
    for image, reason in _wordless(captions):
        skips.add(f"{path}: images whose captions hold {reason}", repr(image))
        del captions[image]
    skips.check("give each image a reference with a word")
    if not captions:
        raise DataError(f"{path} holds no references", _FORMATS)
    return References(captions, files)


def _wordless(captions: Mapping[ImageId, list[str]]) -> list[tuple[ImageId, str]]:
    """Images without a word, and why. Only texts that may hold none are tokenised."""
    doubtful = {
        image: " ".join(texts)
        for image, texts in captions.items()
        if not _PLAIN.search(_ENTITY.sub("", " ".join(texts)))
    }
    tokens = ptb.tokenize(list(doubtful.values())) if doubtful else []
    found = []
    for (image, text), kept in zip(doubtful.items(), tokens, strict=True):
        if not any(map(str.isalnum, text)):
            found.append((image, "no letter or digit"))
        elif not kept:
            found.append((image, "no word: the tokenizer drops all of their characters"))
    return found


def _read(
    path: Path, skips: Skips, written: bytes | None
) -> tuple[list[_Text], dict[ImageId, str]]:
    """All texts, and file names by image."""
    content, places = read_json_file(path, written)
    kind, files = "entry", dict[ImageId, str]()
    if isinstance(content, JsonObject):
        lists = [key for key, value in content.items() if _entries(value, _TEXT_FIELDS)]
        if isinstance(content.get("annotations"), list):
            files = dict(_files(content.get("images")))
            kind, content = "annotation", content["annotations"]
        elif len(lists) == 1:
            content = content[lists[0]]
        elif _entries(content.get("images"), ("sentences",)):
            raise DataError(f"{path} is in Karpathy's format, which is not read", _KARPATHY)
    if isinstance(content, JsonObject):
        for key in content.repeated:
            skips.add(f"{path}: images named twice", f"key {_short(key)}")
        places = [f"key {_short(key)}" for key in content]
        content = [{"image_id": key, "caption": value} for key, value in content.items()]
    if not isinstance(content, list):
        what = f"{path} holds {_named(content)} at its top level, not a list or an object"
        raise DataError(what, _FORMATS)
    places = places or [f"{kind} {number}" for number in range(1, len(content) + 1)]
    items = zip(places, content, strict=True)
    found = [text for item in items for text in _texts(path, *item, skips)]
    skips.check(_FORMATS)
    return found, files


def _texts(path: Path, where: str, item: Any, skips: Skips) -> Iterator[_Text]:
    """What `{"image_id": ..., "caption": ...}` says, as far as it can be used."""
    known = item if isinstance(item, dict) else {}
    name = next((field for field in _ID_FIELDS if field in known), "image_id")
    said = next((field for field in _TEXT_FIELDS if field in known), "caption")
    absent = [field for field in (name, said) if field not in known]
    image, value = image_id(known.get(name)), known.get(said)
    if not isinstance(item, dict):
        skips.add(f"{path}: entries that are not objects", f"{where} is {_named(item)}")
    elif absent:
        skips.add(f"{path}: entries without a field", f'{where} has no "{absent[0]}"')
    elif image is None:
        unusable = f"{where} ({name}: {_short(item[name])})"
        skips.add(f"{path}: ids that are neither number nor name", unusable)
    elif value == []:
        skips.add(f"{path}: images with an empty list", f"{where} (image {image!r})")
    else:
        for text in value if isinstance(value, list) else [value]:
            if is_text(text):
                size = len(_WORD_OR_SIGN.findall(text))
                if size <= MOST_WORDS and len(text) <= MOST_CHARACTERS:
                    yield where, image, text
                else:
                    most = f"{MOST_WORDS:,} words or {MOST_CHARACTERS:,} characters"
                    long = f"{where} (image {image!r}: {size:,} words, {len(text):,} characters)"
                    skips.add(f"{path}: captions of more than {most}", long, "cut or remove them")
            else:
                wrong = f"{where} (image {image!r}: {_named(text)})"
                skips.add(f"{path}: captions that are not text", wrong)


def _entries(value: object, fields: Collection[str]) -> bool:
    """Whether it is a list of objects, the first of which has one of the fields."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, JsonObject) and not first.keys().isdisjoint(fields)


def _files(images: object) -> Iterator[tuple[ImageId, str]]:
    for item in images if isinstance(images, list) else ():
        if isinstance(item, dict):
            image, file = image_id(item.get("id")), item.get("file_name")
            if image is not None and is_text(file):
                yield image, file


def _named(value: object) -> str:
    """The type of a JSON value in JSON's words."""
    names = {bool: "true or false", list: "a list", JsonObject: "an object", type(None): "null"}
    text = "a string" if is_text(value) else "half a surrogate pair"
    return text if isinstance(value, str) else names.get(type(value), "a number")


def _short(value: object) -> str:
    """A value as an error shows it: in ASCII, since it may not be writable text."""
    return ascii(value)[:60]
