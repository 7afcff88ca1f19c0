"""Ids of images as different programs write them: 42, "42", "000042.jpg", "COCO_val2014_...42"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard, TypeVar

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


def unique_by(pairs: Iterable[tuple[str, T]]) -> tuple[dict[str, T], set[str]]:
    """Values by key where a key has one value only, and the keys that have more."""
    found: dict[str, T] = {}
    twice: set[str] = set()
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            twice.add(key)
    return {key: value for key, value in found.items() if key not in twice}, twice


def matches(wanted: Iterable[ImageId], known: Mapping[ImageId, object]) -> dict[ImageId, ImageId]:
    """For each wanted id the known one that means the same image; those without are left out.

    The same id first. For the others the bare ones (`bare`) are compared, where that leaves no
    doubt: no two wanted and no two known ids have the same bare form.
    """
    asked = list(wanted)
    same = {image: image for image in asked if image in known}
    if len(same) == len(asked):
        return same
    by_bare, _ = unique_by((bare(image), image) for image in known)
    alone, _ = unique_by((bare(image), image) for image in asked)
    pairs = {image: by_bare[key] for key, image in alone.items() if key in by_bare}
    found = {image: other for image, other in pairs.items() if other not in same} | same
    return {image: found[image] for image in asked if image in found}
