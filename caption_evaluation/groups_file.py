"""Similar-image groups from a file: `{id: [ids], ...}`, as groups of K are published."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from caption_evaluation.images import ImageId, image_id, matches
from caption_evaluation.json_file import JsonObject, decoded, parsed_json
from gegcore.errors import DataError, some
from gegcore.metrics.inputs import WordGroups

_FIX = 'write {"42": [7, 9, 11], ...}: ids of the K similar images of every image'


def read_groups(path: Path, content: bytes, images: Sequence[ImageId]) -> WordGroups:
    """The groups of these images, in their order.

    Groups of images that are not scored are left out.

    Raises:
        DataError: another layout; an image without a group, an image in its own group or twice in
            one, groups of different sizes, or members that are not scored.
    """
    stored, _ = parsed_json(path, decoded(path, content))
    if not isinstance(stored, JsonObject) or not stored:
        raise DataError(f"{path} holds no groups", _FIX)
    groups = {key: _ids(path, key, value) for key, value in stored.items()}
    keys = matches(images, {image: None for key in groups if (image := image_id(key)) is not None})
    known = {image_id(key): group for key, group in groups.items()}
    if lacking := [repr(image) for image in images if image not in keys]:
        raise DataError(f"{path} has no group of {len(lacking):,} images: {some(lacking)}", _FIX)
    chosen = [known[keys[image]] for image in images]
    sizes = Counter(map(len, chosen))
    if len(sizes) > 1 or 0 in sizes:
        listed = some(f"{n:,} of {size}" for size, n in sizes.most_common())
        raise DataError(f"{path} has groups of different sizes, or empty ones: {listed}", _FIX)
    position = {image: place for place, image in enumerate(images)}
    named = matches(dict.fromkeys(x for group in chosen for x in group), position)
    if away := [repr(x) for group in chosen for x in group if x not in named]:
        what = f"{path} has groups with {len({*away}):,} images that are not scored: {some(away)}"
        raise DataError(what, "caption all images, or give groups of these alone")
    members = torch.tensor([[position[named[x]] for x in group] for group in chosen])
    own = members == torch.arange(len(images))[:, None]
    if bool(own.any()):
        wrong = [repr(images[int(row)]) for row in own.any(dim=1).nonzero().flatten()]
        raise DataError(f"{path}: images in their own group: {some(wrong)}", _FIX)
    return WordGroups(members, f"of {path.name}@{hashlib.sha256(content).hexdigest()[:16]}")


def _ids(path: Path, key: str, value: object) -> list[ImageId]:
    """A group as ids."""
    if not isinstance(value, list):
        raise DataError(f"{path}: the group of {ascii(key)} is no list of ids", _FIX)
    ids = [found for each in value if (found := image_id(each)) is not None]
    if len(ids) < len(value) or len({*ids}) < len(ids):
        what = f"{path}: the group of {ascii(key)} has ids twice, or that are no ids"
        raise DataError(what, _FIX)
    return ids
