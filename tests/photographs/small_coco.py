"""A small corpus as COCO is published: Karpathy's JSON and zips, from a local server."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import FileServer, serving
from squares import Corpus, make_corpus

from photographs import download as downloads
from photographs.sources import SOURCES


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return stream.getvalue()


def small_coco(folder: Path, sizes: dict[str, int], ending: str = "png") -> Corpus:
    """Karpathy's layout of COCO: `filepath` train2014 or val2014, some of `restval`."""
    corpus = make_corpus(folder, sizes, ending)
    for number, image in enumerate(corpus.content["images"]):
        image["filepath"] = "train2014" if image["split"] == "train" and number % 2 else "val2014"
        if image["split"] == "train" and image["filepath"] == "val2014":
            image["split"] = "restval"
    corpus.content["dataset"] = "coco"
    corpus.write()
    return corpus


@contextmanager
def coco_server(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves it under the published names; `gegcore get coco` expects its counts and checksums."""
    zips: dict[str, dict[str, bytes]] = {"train2014": {}, "val2014": {}}
    counts = {"train": 0, "restval": 0, "val": 0, "test": 0}
    for image in corpus.content["images"]:
        picture = (corpus.folder / "images" / image["filename"]).read_bytes()
        zips[image["filepath"]][f"{image['filepath']}/{image['filename']}"] = picture
        counts[image["split"]] += 1
    files = {f"/{name}.zip": packed(members) for name, members in zips.items()}
    md5s = {path: hashlib.md5(data).hexdigest() for path, data in files.items()}
    files["/caption_datasets.zip"] = packed({"dataset_coco.json": corpus.json.read_bytes()})
    pictures = {url: md5s[f"/{url.rpartition('/')[2]}"] for url in SOURCES["coco"].pictures}
    splits = counts["train"] + counts["restval"], counts["val"], counts["test"]
    monkeypatch.setitem(
        SOURCES, "coco", replace(SOURCES["coco"], splits=splits, pictures=pictures, digests={})
    )
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    with serving(files) as server:
        yield server
