"""A split as a data set: sampled at need, painted at need, stored with its digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emoji_scenes import dataset as emoji_dataset
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.annotators import human_captions
from emoji_scenes.scenes.painter import paint
from emoji_scenes.scenes.sampler import OFFSETS, sample_scene
from gegcore.data.dataset import CaptionDataset
from gegcore.errors import ChecksumError, ConfigError, DataError, GegError


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.json"
    ScenesDataset("val", 5, seed=1, image_px=32).save(path)
    return path


def tamper(path: Path, *keys: str | int, value: Any) -> None:
    """Replace what lies under `keys` in a JSON file."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))


def test_is_a_caption_dataset() -> None:
    dataset: CaptionDataset = ScenesDataset("test", 2, seed=4)
    assert (dataset.name, dataset.split, len(dataset.records)) == ("scenes-4", "test", 2)


@pytest.mark.parametrize("split", OFFSETS)
def test_records_are_the_sampled_scenes_with_their_captions(split: str) -> None:
    dataset = ScenesDataset(split, 4, seed=2)
    for index, record in enumerate(dataset.records):
        scene = sample_scene(2, split, index)
        assert record.image_id == OFFSETS[split] + index
        assert record.captions == human_captions(scene, 2) and len(record.captions) == 5
        assert dataset.scene(index) == scene
        assert record.file is None


def test_nothing_is_sampled_or_painted_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def painted(*_: object) -> np.ndarray:
        raise AssertionError("painted")

    huge = ScenesDataset("train", 10**9)
    assert "records" not in vars(huge)
    monkeypatch.setattr(emoji_dataset, "paint", painted)
    small = ScenesDataset("train", 3)
    assert small.digest and len(small.records) == 3
    with pytest.raises(AssertionError, match="painted"):
        small.images([0])


def test_records_are_sampled_once() -> None:
    dataset = ScenesDataset("train", 3)
    assert dataset.records is dataset.records


def test_images_come_in_the_order_asked_for() -> None:
    dataset = ScenesDataset("val", 6, image_px=48)
    images = dataset.images([4, 0, 4])
    assert images.shape == (3, 48, 48, 3) and images.dtype == np.uint8
    assert np.array_equal(images[0], images[2]) and not np.array_equal(images[0], images[1])
    assert np.array_equal(images[1], paint(sample_scene(0, "val", 0), 48))


def test_digest_tells_corpora_apart() -> None:
    digest = ScenesDataset("val", 5).digest
    assert ScenesDataset("val", 5).digest == digest
    others = [ScenesDataset("val", 6), ScenesDataset("test", 5), ScenesDataset("val", 5, seed=1)]
    assert len({digest, *(other.digest for other in others)}) == 4


def test_stored_file_reads_like_coco(stored: Path) -> None:
    content = json.loads(stored.read_text())
    dataset = ScenesDataset("val", 5, seed=1)
    assert content["info"] == {
        "seed": 1,
        "split": "val",
        "size": 5,
        "image_px": 32,
        "generator": emoji_dataset.generator(),
        "digest": dataset.digest,
    }
    assert [image["id"] for image in content["images"]] == [r.image_id for r in dataset.records]
    assert set(content["images"][0]) == {"id", "captions", "scene"}


def test_loading_samples_nothing(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sampled(*_: object) -> None:
        raise AssertionError("sampled")

    dataset = ScenesDataset("val", 5, seed=1)
    scenes = [dataset.scene(index) for index in range(5)]
    monkeypatch.setattr(emoji_dataset, "sample_scene", sampled)
    loaded = ScenesDataset.load(str(stored))
    assert [loaded.scene(index) for index in range(5)] == scenes
    assert [r.captions for r in loaded.records] == [r.captions for r in dataset.records]
    assert (loaded.split, loaded.size, loaded.seed, loaded.image_px) == ("val", 5, 1, 32)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("images", 0, "id"), 7),
        (("images", 1, "captions"), ["a dog"]),
        (("images", 2, "scene", "time"), "dawn"),
        (("images", 3, "scene", "things"), []),
        (("images",), []),
        (("info", "digest"), "0" * 16),
    ],
)
def test_changed_content_is_refused(stored: Path, keys: tuple[str | int, ...], value: Any) -> None:
    tamper(stored, *keys, value=value)
    with pytest.raises(ChecksumError, match=r"annotations\.json.*\n?.*prepare --stage data"):
        ScenesDataset.load(stored)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"text"', '{"info": {}}', '{"images": []}', '{"info": 3, "images": 4}']
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(GegError, match=r"other\.json"):
        ScenesDataset.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GegError, match=r"gone\.json"):
        ScenesDataset.load(tmp_path / "gone.json")


def test_image_without_captions_is_refused(stored: Path) -> None:
    content = json.loads(stored.read_text())
    del content["images"][2]["captions"]
    stored.write_text(json.dumps(content))
    with pytest.raises(DataError, match="prepare --stage data"):
        ScenesDataset.load(stored)


def test_unknown_split_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        ScenesDataset("dev", 4)
    assert "dev" in str(error.value) and all(split in str(error.value) for split in OFFSETS)


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_below_one_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"{size} images"):
        ScenesDataset("train", size)


def test_interrupted_save_leaves_the_old_file(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stored.read_text()

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        ScenesDataset("val", 9, seed=1).save(stored)
    assert stored.read_text() == before
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
