"""Layouts of captions in JSON, each recognised by its own marks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd

from caption_evaluation.images import ImageId, is_text, matches
from caption_evaluation.json_file import JsonObject
from caption_evaluation.tables import (
    ID_FIELDS,
    TEXT_FIELDS,
    Entries,
    refuse_split,
    splits_of,
    table_entries,
)
from gegcore.data.dataset import SPLITS
from gegcore.data.karpathy import SPLIT_OF, is_karpathy, parse_karpathy
from gegcore.errors import ConfigError, DataError

WRITE = (
    'write [{"image_id": 42, "caption": "a dog"}, ...] (COCO results), one such object a line '
    '(JSON Lines), {"42": "a dog", ...}, COCO annotations, or a table with these two columns'
)

Layout = Callable[[Path, JsonObject], Entries | None]


def coco_annotations(path: Path, content: JsonObject) -> Entries | None:
    """COCO's and nocaps' annotations, with the files of the images."""
    listed = content.get("annotations")
    if not isinstance(listed, list):
        return None
    images = content.get("images")
    known = [x for x in images if isinstance(x, dict)] if isinstance(images, list) else []
    return Entries(
        _numbered("annotation", listed), [(x.get("id"), x.get("file_name")) for x in known]
    )


def one_list(path: Path, content: JsonObject) -> Entries | None:
    """One list of entries among other things: `{"results": [...]}`, TextCaps, pandas' table."""
    lists = [key for key, value in content.items() if _entries(value, TEXT_FIELDS)]
    return Entries(_numbered("entry", content[lists[0]])) if len(lists) == 1 else None


def pandas_split(path: Path, content: JsonObject) -> Entries | None:
    """pandas' `to_json(orient="split")`."""
    if not isinstance(content.get("columns"), list) or not isinstance(content.get("data"), list):
        return None
    try:
        return table_entries(path, pd.DataFrame(content["data"], columns=content["columns"]))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} is no table of pandas: {error}", "write it again") from error


def pandas_columns(path: Path, content: JsonObject) -> Entries | None:
    """pandas' `to_json()`: a column a key, in it row -> value."""
    if not all(isinstance(value, dict) for value in content.values()):
        return None
    names = {str(name).lower() for name in content}
    if names.isdisjoint(ID_FIELDS) or names.isdisjoint(TEXT_FIELDS):
        return None
    return table_entries(path, pd.DataFrame({key: pd.Series(v) for key, v in content.items()}))


def pandas_index(path: Path, content: JsonObject) -> Entries | None:
    """pandas' `to_json(orient="index")`: a row a key, in it column -> value."""
    rows = list(content.values())
    if not rows or not all(
        _entries([row], ID_FIELDS) and _entries([row], TEXT_FIELDS) for row in rows
    ):
        return None
    return Entries([(f"key {short(key)}", row) for key, row in content.items()])


def by_id(path: Path, content: JsonObject) -> Entries | None:
    """Id -> caption, captions, or objects with a caption (pycocoevalcap's own dictionaries)."""
    items = [
        (f"key {short(key)}", {"image_id": key, "caption": _texts(value)})
        for key, value in content.items()
    ]
    return Entries(items, repeated=content.repeated)


LAYOUTS: tuple[Layout, ...] = (
    *(coco_annotations, one_list, pandas_split, pandas_columns, pandas_index, by_id),
)
"""Of JSON objects, in the order in which they are tried."""


def json_entries(
    path: Path,
    content: Any,
    places: list[str],
    split: str | None = None,
    wanted: Collection[ImageId] = (),
) -> Entries:
    """The entries of JSON in any layout.

    Args:
        places: of the values of JSON Lines.
        split: of Karpathy's format, or of a list whose objects have the field `split`.
        wanted: ids of captions, by which is known what Karpathy's images are called in them.

    Raises:
        DataError: JSON that cannot be captions; ConfigError: a split of a file without splits.
    """
    if is_karpathy(content):
        return karpathy_entries(path, content, split, wanted)
    if isinstance(content, list):
        numbered = (
            list(zip(places, content, strict=True)) if places else _numbered("entry", content)
        )
        return Entries(_of_split(path, numbered, split) if split else numbered)
    refuse_split(path, split)
    if not isinstance(content, JsonObject):
        what = f"{path} holds {named(content)} at its top level, not a list or an object"
        raise DataError(what, WRITE)
    return next(found for layout in LAYOUTS if (found := layout(path, content)) is not None)


def _of_split(path: Path, items: list[tuple[str, Any]], split: str) -> list[tuple[str, Any]]:
    """Objects whose field `split` says so; once one has this field, all must have it."""
    fields = [
        (place, next((v for k, v in item.items() if k.lower() == "split"), None))
        for place, item in items
        if isinstance(item, dict)
    ]
    if all(value is None for _, value in fields) or len(fields) < len(items):
        refuse_split(path, split)
    found = [item for item, of in zip(items, splits_of(path, fields), strict=True) if of == split]
    if not found:
        raise DataError(f"{path} has no entry of split '{split}'", "use the whole file")
    return found


def karpathy_entries(
    path: Path, content: Any, split: str | None, wanted: Collection[ImageId] = ()
) -> Entries:
    """Karpathy's sentences, of one split or of all, by the kind of id that captions go by."""
    known = parse_karpathy(content, path)
    if split and split not in {*SPLIT_OF.values()}:
        raise ConfigError(f"unknown split '{split}'", f"use one of: {', '.join(SPLITS)}")
    images = known.of_split(split) if split else known.images
    if not images:
        raise DataError(f"{path} has no image of split '{split}'", "use the whole file")
    kinds: list[list[ImageId]] = [[i.image_id for i in images], [i.name for i in images]]
    if all(i.imgid is not None for i in images):
        kinds.append([int(i.imgid or 0) for i in images])
    ids = max(kinds, key=lambda each: len(matches(wanted, dict.fromkeys(each))))
    items = [
        (f"image {place}", {"image_id": image, "captions": list(record.captions)})
        for place, (image, record) in enumerate(zip(ids, images, strict=True), 1)
    ]
    return Entries(items, [(image, r.name) for image, r in zip(ids, images, strict=True)])


def _numbered(kind: str, items: list[Any]) -> list[tuple[str, Any]]:
    return [(f"{kind} {number}", item) for number, item in enumerate(items, 1)]


def _texts(value: Any) -> Any:
    """Captions of objects that hold one each, and anything else as it is."""
    if isinstance(value, JsonObject) and _entries([value], TEXT_FIELDS):
        return _texts([value])
    if not isinstance(value, list) or not _entries(value, TEXT_FIELDS):
        return value
    fields = [
        next((x for x in TEXT_FIELDS if x in item), "") for item in value if isinstance(item, dict)
    ]
    return [item.get(field) for item, field in zip(value, fields, strict=False)]


def _entries(value: object, fields: Collection[str]) -> bool:
    """Whether it is a list of objects, the first of which has one of the fields."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, JsonObject) and not first.keys().isdisjoint(fields)


def named(value: object) -> str:
    """The type of a JSON value in JSON's words."""
    names = {bool: "true or false", list: "a list", JsonObject: "an object", type(None): "null"}
    text = "a string" if is_text(value) else "half a surrogate pair"
    return text if isinstance(value, str) else names.get(type(value), "a number")


def short(value: object) -> str:
    """A value as an error shows it: in ASCII, since it may not be writable text."""
    return ascii(value)[:60]
