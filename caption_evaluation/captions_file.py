"""Captions and references from files in any of the layouts that are known, checked one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from caption_evaluation.images import ImageId, image_id, is_text
from caption_evaluation.json_file import decoded, parsed_json, read_file
from caption_evaluation.layouts import WRITE, json_entries, named, short
from caption_evaluation.other_kinds import refuse_other_kinds
from caption_evaluation.skipped import Skips
from caption_evaluation.tables import (
    ID_FIELDS,
    TEXT_FIELDS,
    Entries,
    is_parquet,
    parquet_entries,
    text_entries,
)
from gegcore.errors import DataError
from gegcore.metrics import ptb

MOST_WORDS, MOST_CHARACTERS = 500, 5_000
"""Of one text; words and signs count. METEOR's time grows with the third power of the length: of
one word repeated, 300 times take 3 s, 1,000 more than a minute, and 2,000 all of its memory."""

_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
_ENTITY = re.compile(r"&#?\w+;")
_PLAIN = re.compile("[A-Za-z0-9]")

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
        path: JSON in one of `LAYOUTS`, JSON Lines of entries, a table (CSV, TSV, Parquet) with a
            column of ids and one of captions, or Flickr's token.txt. `42`, `42.0` and `"42"` are
            the same id. A text longer than `MOST_WORDS` or `MOST_CHARACTERS` is bad input.
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
        raise DataError(f"{path} holds no captions", WRITE)
    return captions


def read_references(
    path: Path | str,
    skips: Skips | None = None,
    content: bytes | None = None,
    split: str | None = None,
    wanted: Collection[ImageId] = (),
) -> References:
    """Reference captions by image, and the file names of images where the file has them.

    The formats are those of `read_captions`, with lists of captions, or several entries an image.

    Args:
        split: "train", "val" or "test" of a file in Karpathy's format; None: all.
        wanted: ids of the captions: Karpathy's images go by COCO's id, their file or his number.

    Raises:
        DataError: as `read_captions`; or an image without a reference that holds a word:
            a letter or digit, and something that the tokenizer does not drop.
        ToolError: the tokenizer failed.
    """
    path, skips = Path(path), skips or Skips()
    found, files = _read(path, skips, content, split, wanted)
    captions: dict[ImageId, list[str]] = {}
    for _, image, text in found:
        captions.setdefault(image, []).append(text)
    for image, reason in _wordless(captions):
        skips.add(f"{path}: images whose captions hold {reason}", repr(image))
        del captions[image]
    skips.check("give each image a reference with a word")
    if not captions:
        raise DataError(f"{path} holds no references", WRITE)
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
    path: Path,
    skips: Skips,
    written: bytes | None,
    split: str | None = None,
    wanted: Collection[ImageId] = (),
) -> tuple[list[_Text], dict[ImageId, str]]:
    """All texts, and file names by image."""
    content = read_file(path) if written is None else written
    entries = _entries(path, content, split, wanted)
    for key in entries.repeated:
        skips.add(f"{path}: images named twice", f"key {short(key)}")
    found = [text for item in entries.items for text in _texts(path, *item, skips)]
    skips.check(WRITE)
    known = ((image_id(image), file) for image, file in entries.files)
    return found, {i: file for i, file in known if i is not None and is_text(file)}


def _entries(path: Path, content: bytes, split: str | None, wanted: Collection[ImageId]) -> Entries:
    """What a file says, by whatever it turns out to be."""
    if is_parquet(content):
        return parquet_entries(path, content, split)
    refuse_other_kinds(path, content)
    text = decoded(path, content)
    if text.lstrip()[:1] not in ("{", "["):
        table = text_entries(path, text, split)
        if table is not None:
            return table
        if path.suffix.lower() != ".json" and not _is_json(text):
            first = text.strip().splitlines()[0]
            what = f"{path} is neither JSON nor a table with a header; it begins {short(first)}"
            raise DataError(what, WRITE)
    return json_entries(path, *parsed_json(path, text), split, wanted)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _texts(path: Path, where: str, item: Any, skips: Skips) -> Iterator[_Text]:
    """What `{"image_id": ..., "caption": ...}` says, as far as it can be used."""
    known = item if isinstance(item, dict) else {}
    name = next((field for field in ID_FIELDS if field in known), "image_id")
    said = next((field for field in TEXT_FIELDS if field in known), "caption")
    absent = [field for field in (name, said) if field not in known]
    image, value = image_id(known.get(name)), known.get(said)
    if not isinstance(item, dict):
        skips.add(f"{path}: entries that are not objects", f"{where} is {named(item)}")
    elif absent:
        skips.add(f"{path}: entries without a field", f'{where} has no "{absent[0]}"')
    elif image is None:
        unusable = f"{where} ({name}: {short(item[name])})"
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
                wrong = f"{where} (image {image!r}: {named(text)})"
                skips.add(f"{path}: captions that are not text", wrong)
