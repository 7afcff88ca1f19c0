"""`gegcore get`, from a local server with the published files' names, and what reads them then."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import FileServer
from full_disk import free_bytes
from PIL import Image
from small_coco import coco_server, packed, small_coco

from gegcore.cli import main
from gegcore.data.karpathy import parse_karpathy
from gegcore.errors import ChecksumError, StorageError
from gegcore.storage import digest, read_json
from photographs import download as downloads
from photographs import sources
from photographs.karpathy import KarpathyData
from photographs.pictures import Pictures
from photographs.sources import SOURCES, check_splits, get

SHARED = Path(__file__).resolve().parents[3] / "shared"
SPLITS = {"train": 12, "val": 5, "test": 5}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    made = tmp_path / "made"
    made.mkdir()
    with coco_server(small_coco(made, SPLITS), monkeypatch) as server:
        yield server


def test_the_command_brings_what_a_profile_reads(
    server: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    server.most = 700  # the connection breaks off again and again
    assert main(["get", "coco", "--mirror", server.url]) == 0
    assert "12 / 5 / 5 images" in capsys.readouterr().out
    folder = tmp_path / "data" / "coco"
    assert sorted(path.name for path in (folder / "images").iterdir()) == [
        *("train2014.zip", "val2014.zip")
    ]
    data = KarpathyData(
        json="data/coco/dataset_coco.json", images="data/coco/images", image_px=32, least_captions=1
    )
    sizes = {split: len(data.open(split, tmp_path).records) for split in SPLITS}
    assert sizes == SPLITS
    train = data.open("train", tmp_path)
    assert train.images([0, 1]).shape == (2, 32, 32, 3)
    asked = len(server.asked)
    assert main(["get", "coco", "--mirror", server.url]) == 0
    assert len(server.asked) == asked, "what is there is not asked for"


def test_room_is_asked_for_before_the_first_byte(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes(monkeypatch, 10)
    with pytest.raises(StorageError, match="the files of coco need"):
        get("coco", tmp_path / "there", server.url)
    assert {method for method, _, _ in server.asked} == {"HEAD"}


def test_a_server_that_is_not_there_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_PAUSE", 0.0)
    where = str(tmp_path / "there")
    assert main(["get", "coco", "--to", where, "--mirror", "http://127.0.0.1:1"]) == 1
    said = capsys.readouterr().err
    assert "caption_datasets.zip yourself" in said and where in said


def test_files_put_there_by_hand_are_taken(server: FileServer, tmp_path: Path) -> None:
    zipped = tmp_path / "caption_datasets.zip"
    zipped.write_bytes(server.content.pop("/caption_datasets.zip"))
    (tmp_path / "images").mkdir()
    for name in ("train2014.zip", "val2014.zip"):
        (tmp_path / "images" / name).write_bytes(server.content.pop(f"/{name}"))
    got = get("coco", tmp_path, server.url)
    assert all(path.is_file() for path in (got.captions, *got.pictures))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>", "does not hold dataset_coco.json"), (packed({"a": b""}), "does not hold")],
)
def test_a_zip_that_is_none_is_kept_aside(
    server: FileServer, tmp_path: Path, content: bytes, message: str
) -> None:
    good = server.content["/caption_datasets.zip"]
    server.content["/caption_datasets.zip"] = content
    with pytest.raises(ChecksumError, match=message):
        get("coco", tmp_path, server.url)
    assert (tmp_path / "caption_datasets.damaged").read_bytes() == content
    server.content["/caption_datasets.zip"] = good
    get("coco", tmp_path, server.url)


def test_another_split_is_refused(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "coco", replace(SOURCES["coco"], splits=(13, 5, 5)))
    with pytest.raises(ChecksumError, match=r"\(12, 5, 5\) images.*"):
        get("coco", tmp_path, server.url)


def test_other_images_in_as_large_a_split_are_refused(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = get("coco", tmp_path / "right", server.url).digests
    for digests, passes in ((right, True), (right | {"val": "0123456789abcdef"}, False)):
        monkeypatch.setitem(SOURCES, "coco", replace(SOURCES["coco"], digests=digests))
        if passes:
            get("coco", tmp_path / "right", server.url)
        else:
            with pytest.raises(ChecksumError, match="other images of split val"):
                get("coco", tmp_path / "right", server.url)


@pytest.mark.skipif(not (SHARED / "coco").is_dir(), reason="needs ../shared/coco")
def test_the_digest_of_cocos_test_split_is_that_of_its_images() -> None:
    known = json.loads((SHARED / "coco" / "references_karpathy_test.json").read_text())
    names = sorted(f"COCO_val2014_{int(image):012d}.jpg" for image in known)
    assert digest(names) == SOURCES["coco"].digests["test"]


@pytest.mark.skipif(not (SHARED / "flickr8k").is_dir(), reason="needs ../shared/flickr8k")
def test_the_digests_of_flickr8k_are_those_of_its_splits() -> None:
    path = SHARED / "flickr8k" / "dataset_flickr8k.json"
    found = check_splits("flickr8k", parse_karpathy(read_json(path), path), path)
    assert found == SOURCES["flickr8k"].digests


def test_published_counts_and_places() -> None:
    counts = {name: source.splits for name, source in SOURCES.items()}
    assert counts["coco"] == (113_287, 5_000, 5_000)
    assert counts["flickr8k"] == (6_000, 1_000, 1_000)
    assert all(url.startswith("http") for s in SOURCES.values() for url in s.pictures)
    assert all(bool(source.pictures) != bool(source.ask) for source in SOURCES.values())
    assert sources.SPLITS_ZIP.endswith(".zip")


def test_linked_folders_are_read_once_and_loops_end(tmp_path: Path) -> None:
    """Whatever annotations call a folder that several links lead to, its pictures are found."""
    (tmp_path / "store").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "store" / "a.png")
    place = tmp_path / "images"
    place.mkdir()
    for link, target in (("train", "../store"), ("val", "../store"), ("loop", ".")):
        (place / link).symlink_to(target)
    pictures = Pictures(place)
    assert pictures.files == ["train/a.png"]
    names = ["train/a.png", "val/a.png", "other/a.png", "../store/a.png", str(place / "val/a.png")]
    assert pictures.find(names[:4]) == {"train/a.png": "train/a.png", "val/a.png": "val/a.png"}
    assert pictures.find(["a.png"]) == {"a.png": "train/a.png"}
    assert pictures.read("val/a.png").size == (4, 4)
    (place / "up").symlink_to("..")
    (tmp_path / "store" / "back").symlink_to(place)
    assert len(Pictures(place).files) == 1


def test_of_a_zip_and_a_folder_of_its_name_the_folder_is_read(tmp_path: Path) -> None:
    colours = {"zip": "red", "folder": "blue"}
    for name, colour in colours.items():
        stream = io.BytesIO()
        Image.new("RGB", (4, 4), colour).save(stream, "png")
        if name == "zip":
            (tmp_path / "val2014.zip").write_bytes(packed({"val2014/a.png": stream.getvalue()}))
            assert Pictures(tmp_path).files == ["val2014.zip/val2014/a.png"]
            found = Pictures(tmp_path).find(["val2014/a.png", "b.png"])
            assert found == {"val2014/a.png": "val2014.zip/val2014/a.png"}
        else:
            (tmp_path / "val2014").mkdir()
            (tmp_path / "val2014" / "a.png").write_bytes(stream.getvalue())
        read = Pictures(tmp_path).read(Pictures(tmp_path).files[0])
        assert read.getpixel((0, 0)) == {"red": (255, 0, 0), "blue": (0, 0, 255)}[colour]
