"""Where public data sets of captions are, and how they lie on a disk."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from typing import NamedTuple

from gegcore.data.dataset import SPLITS
from gegcore.data.karpathy import KarpathyFile, parse_karpathy
from gegcore.errors import ChecksumError
from gegcore.storage import atomic_write, digest, need_room, read_json
from photographs.download import download, remote_size

_COCO = "http://images.cocodataset.org/zips"
SPLITS_ZIP = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
"""Karpathy's splits of COCO, Flickr8k and Flickr30k, with all captions."""


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        splits: images of train (Karpathy's `restval` with them), val and test.
        digests: of the names of all files of a split, sorted; of the splits that we have seen.
        pictures: URL -> MD5 of the zips of its photographs, which are read as they are.
        ask: where to ask for photographs that nobody may pass on.
    """

    splits: tuple[int, int, int]
    pictures: dict[str, str]
    ask: str = ""
    digests: dict[str, str] = field(default_factory=dict)


SOURCES = {
    "coco": Source(
        (113_287, 5_000, 5_000),
        {
            f"{_COCO}/train2014.zip": "0da8c0bd3d6becc4dcb32757491aca88",
            f"{_COCO}/val2014.zip": "a3d79f5ed8d289b7a7554ce06a5782b3",
        },
        digests={"test": "bcc6b5fa3a15e158"},
    ),
    "flickr8k": Source(
        (6_000, 1_000, 1_000),
        {},
        "https://forms.illinois.edu/sec/1713398",
        {"train": "fbb334d8b4d4bab0", "val": "90352859c409d860", "test": "25d2fec0836bb472"},
    ),
    "flickr30k": Source((29_000, 1_014, 1_000), {}, "https://forms.illinois.edu/sec/229675"),
}


class Got(NamedTuple):
    """Captions file, zips of photographs, and digests of the splits."""

    captions: Path
    pictures: list[Path]
    digests: dict[str, str]


def get(name: str, folder: Path, mirror: str = "") -> Got:
    """Captions and photographs of a data set in `folder`; what is there already stays.

    Args:
        mirror: URL of a folder that has files of the same names; default: where they are published.

    Raises as `gegcore.download.download`; ChecksumError: not the split that is published.
    """
    source, pictures = SOURCES[name], folder / "images"
    captions = folder / f"dataset_{name}.json"
    places = {url: pictures / _name(url) for url in source.pictures}
    missing = [_at(url, mirror) for url, path in places.items() if not path.is_file()]
    need_room(folder, float(sum(map(remote_size, missing))), f"the files of {name}")
    digests = _captions(name, captions, mirror)
    for url, path in places.items():
        by_hand = f"or get {_name(url)} yourself and put it there: {path}"
        by_hand = f"run it again, it goes on where it stopped; {by_hand}"
        download(_at(url, mirror), path, source.pictures[url], by_hand)
    return Got(captions, [*places.values()], digests)


def _captions(name: str, target: Path, mirror: str) -> dict[str, str]:
    """Take the data set's JSON out of the zip of Karpathy's splits, and check its splits."""
    if not target.is_file():
        url, packed = _at(SPLITS_ZIP, mirror), target.with_name(_name(SPLITS_ZIP))
        by_hand = f"get {packed.name} yourself and put it there: {packed}"
        download(url, packed, by_hand=f"run it again, or {by_hand}")
        try:
            with (
                zipfile.ZipFile(packed) as opened,
                opened.open(target.name) as stream,
                atomic_write(target, "wb") as written,
            ):
                copyfileobj(stream, written)
        except (KeyError, zipfile.BadZipFile, EOFError) as error:
            damaged = packed.with_suffix(".damaged")
            os.replace(packed, damaged)
            what = f"{packed} does not hold {target.name} as it should: {error}"
            raise ChecksumError(what, f"run it again; what came is now {damaged}") from error
    return check_splits(name, parse_karpathy(read_json(target), target), target)


def check_splits(name: str, content: KarpathyFile, path: Path) -> dict[str, str]:
    """Digests of the splits of a published data set; ChecksumError if they are others."""
    counted = tuple(len(content.of_split(split)) for split in SPLITS)
    if counted != SOURCES[name].splits:
        what = f"{path} has {counted} images of train, val and test"
        fix = f"the published split has {SOURCES[name].splits}: move it away, and run it again"
        raise ChecksumError(what, fix)
    found = {
        split: digest(sorted(image.filename for image in content.of_split(split)))
        for split in SPLITS
    }
    for split, wanted in SOURCES[name].digests.items():
        if found[split] != wanted:
            what = f"{path} has other images of split {split} than the published one"
            raise ChecksumError(what, "move it away, and run it again")
    return found


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _at(url: str, mirror: str) -> str:
    return f"{mirror.rstrip('/')}/{_name(url)}" if mirror else url
