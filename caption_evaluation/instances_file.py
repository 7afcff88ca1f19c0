"""Objects in images from COCO's instances files, read in little memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from caption_evaluation.images import ImageId, image_id, matches
from caption_evaluation.json_file import decoded, parsed_fields, read_file
from caption_evaluation.layouts import named
from caption_evaluation.other_kinds import refuse_other_kinds
from caption_evaluation.skipped import Skips
from gegcore.errors import DataError, some
from gegcore.metrics.chair import ImageObjects
from gegcore.metrics.objects import object_words

_FIX = (
    "give COCO's instances_*.json, or write the same: "
    '{"images": [{"id": 42}, ...], "annotations": [{"image_id": 42, "category_id": 18}, ...], '
    '"categories": [{"id": 18, "name": "dog"}, ...]}'
)
_FIELDS = (
    *("images", "annotations", "categories", "id", "image_id", "category_id", "name", "caption"),
)
"""All that is kept: outlines of objects are nine tenths of a file."""


def read_instances(
    paths: Sequence[Path], images: Sequence[ImageId], skips: Skips | None = None
) -> ImageObjects:
    """The objects of images, from one or more files in the format of COCO's instances.

    Args:
        images: of which objects are wanted; annotations of others are left out.
        skips: whether images that no file lists are left out.

    Raises:
        DataError: a file of another kind; categories that are not COCO's 80, or not all of them;
            an annotation without an image or with a category that is not declared; an image that
            no file lists, or none that one does.
    """
    skips, names = skips or Skips(), ", ".join(map(str, paths))
    known: dict[ImageId, set[str]] = {}
    sources = []
    for path in paths:
        content = read_file(path)
        sources.append(f"{path.name}@{hashlib.sha256(content).hexdigest()[:16]}")
        refuse_other_kinds(path, content)
        text = decoded(path, content)
        del content  # 150 MB of COCO's validation images, 450 MB of its training images
        for image, categories in _objects(path, parsed_fields(path, text, _FIELDS)).items():
            known.setdefault(image, set()).update(categories)
    listed = matches(images, known)
    for image in images:
        if image not in listed:
            skips.add(f"{names}: images without instances", repr(image))
    fix = "add the file of their split: --instances takes several"
    skips.check(fix)
    if not listed:
        raise DataError(f"{names}: no captioned image is listed", fix)
    found = {image: frozenset(known[listed[image]]) for image in images if image in listed}
    return ImageObjects(found, " and ".join(sources))


def _objects(path: Path, stored: Any) -> dict[ImageId, set[str]]:
    """Names of categories by image, of all images that a file lists."""
    if not isinstance(stored, dict):
        raise DataError(f"{path} holds {named(stored)} at its top level, not instances", _FIX)
    annotations = stored.get("annotations")
    if isinstance(annotations, list) and any(
        isinstance(x, dict) and "caption" in x and "category_id" not in x for x in annotations[:1]
    ):
        raise DataError(f"{path} holds captions, not instances", _FIX)
    for field in ("images", "annotations", "categories"):
        if not isinstance(stored.get(field), list):
            raise DataError(f'{path} has no list "{field}"', _FIX)
    names = _categories(path, stored["categories"])
    found = {image: set[str]() for image in _image_ids(path, stored["images"])}
    for where, each in _objects_in(path, "annotation", stored["annotations"]):
        image, category = image_id(each.get("image_id")), each.get("category_id")
        if image is None or category is None:
            field = "image_id" if image is None else "category_id"
            raise DataError(f'{path}: {where} has no usable "{field}"', _FIX)
        if isinstance(category, list | dict) or category not in names:
            what = f'{path}: {where} has category_id {category!r:.40}, not declared in "categories"'
            raise DataError(what, _FIX)
        if image in found:
            found[image].add(names[category])
    return found


def _categories(path: Path, listed: Sequence[Any]) -> dict[Any, str]:
    """Category id -> name, all 80 of COCO."""
    ours, found = object_words().categories, dict[Any, str]()
    for where, each in _objects_in(path, "category", listed):
        number, name = each.get("id"), each.get("name")
        if not isinstance(number, int | str) or not isinstance(name, str):
            raise DataError(f'{path}: {where} has no "id" or no "name"', _FIX)
        if number in found:
            raise DataError(f"{path}: category id {number} is declared twice", _FIX)
        found[number] = name
    fix = "CHAIR is about the 80 objects of COCO's instances_*.json: give that file"
    if other := [repr(name) for name in found.values() if name not in ours]:
        what = f"{path} has categories that are not COCO's ({len(other):,}): {some(other)}"
        raise DataError(what, fix)
    if lacking := [repr(name) for name in ours if name not in found.values()]:
        what = f'{path}: "categories" lacks {len(lacking)} of COCO\'s 80: {some(lacking)}'
        raise DataError(what, f"{fix}. What nobody looked for would count as hallucinated")
    return found


def _image_ids(path: Path, listed: Sequence[Any]) -> Iterator[ImageId]:
    for where, each in _objects_in(path, "image", listed):
        image = image_id(each.get("id"))
        if image is None:
            raise DataError(f'{path}: {where} has no usable "id"', _FIX)
        yield image


def _objects_in(
    path: Path, kind: str, listed: Iterable[Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Entries with their place ("annotation 3"); DataError of one that is no object."""
    for number, each in enumerate(listed, 1):
        if not isinstance(each, dict):
            raise DataError(f"{path}: {kind} {number} is {named(each)}, not an object", _FIX)
        yield f"{kind} {number}", each
