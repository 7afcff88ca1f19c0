"""Karpathy's JSON and photographs in a folder or a zip; and all that can be wrong with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from squares import Corpus

from gegcore.data.dataset import annotations_digest, pictures_key
from gegcore.embeddings import embed_dataset
from gegcore.errors import ConfigError, DataError
from gegcore.profiles import load_profile


def test_a_split_has_its_captions_and_its_pictures(corpus: Corpus, tmp_path: Path) -> None:
    data = corpus.data().open("val", tmp_path)
    assert (data.name, data.split, len(data.records)) == ("squares", "val", 9)
    assert [record.image_id for record in data.records] == list(range(24, 33))
    assert data.records[0].captions[0] == "a red chequered square ."
    pixels = data.images([0, 8])
    assert pixels.shape == (2, 64, 64, 3) and pixels.dtype == np.uint8
    whole = Image.open(corpus.folder / "images" / "0024_square.png")
    assert np.abs(pixels[0].mean((0, 1)) - np.asarray(whole).mean((0, 1))).max() < 6


def test_a_zip_is_read_in_place_and_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    before = corpus.data().open("train", tmp_path)
    pixels, key = before.images(range(24)), annotations_digest(before)
    place = corpus.zipped()
    for images in (place, corpus.folder / "images"):  # Named in full, or as the profile has it.
        after = corpus.data(images=images).open("train", tmp_path)
        assert np.array_equal(after.images(range(24)), pixels)
        assert annotations_digest(after) == key
    assert [path.name for path in corpus.folder.iterdir() if path.is_dir()] == []


def test_restval_is_trained_on_and_folders_and_ids_of_coco_count(
    corpus: Corpus, tmp_path: Path
) -> None:
    (corpus.folder / "images" / "val2014").mkdir()
    for image in corpus.content["images"][:4]:
        image |= {"split": "restval", "filepath": "val2014", "cocoid": 900 + image["imgid"]}
        name = image["filename"]
        shutil.move(corpus.folder / "images" / name, corpus.folder / "images" / "val2014" / name)
    corpus.write()
    data = corpus.data().open("train", tmp_path)
    assert [r.image_id for r in data.records[:5]] == [900, 901, 902, 903, 4]
    assert data.records[0].file == "val2014/0000_square.png"
    assert data.images([0]).shape == (1, 64, 64, 3)


def test_runs_do_not_depend_on_where_the_data_lies(corpus: Corpus, tmp_path: Path) -> None:
    here = corpus.data()
    shutil.copytree(corpus.folder, tmp_path / "moved")
    there = corpus.data(
        json=tmp_path / "moved" / corpus.json.name, images=tmp_path / "moved" / "images"
    )
    assert here.model_dump(mode="json") == there.model_dump(mode="json")
    opened = [data.open("test", tmp_path) for data in (here, there)]
    assert pictures_key(opened[0]) == pictures_key(opened[1])


def test_the_first_so_many_images_of_a_split(corpus: Corpus, tmp_path: Path) -> None:
    data = corpus.data(train=5)
    assert [data.size(split) for split in ("train", "val", "test")] == [5, 9, 9]
    assert len(data.open("train", tmp_path).records) == 5


def _change(corpus: Corpus, **fields: Any) -> None:
    corpus.content["images"][0] |= fields
    corpus.write()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"sentences": "a dog"}, r"field 'images\.0\.sentences'"),
        ({"filename": None}, r"field 'images\.0\.filename'"),
        ({"split": "extra"}, "unknown splits: extra"),
        ({"filename": "0030_square.png"}, "more than once, or in two splits: 0030_square.png"),
        ({"imgid": 30}, "more than once, or in two splits: 30"),
        ({"sentences": [{"raw": "one"}, {"raw": " "}]}, "fewer than 5 captions of 0000_square"),
        ({"filename": "away.png"}, r"lacks 1 photographs: away\.png"),
    ],
)
def test_what_is_wrong_with_an_image_is_named(
    corpus: Corpus, tmp_path: Path, fields: dict[str, Any], what: str
) -> None:
    _change(corpus, **fields)
    with pytest.raises(DataError, match=what):
        corpus.data().open("train", tmp_path)


@pytest.mark.parametrize("content", ['{"annotations": []}', "[]", '{"images": 3, "dataset": "x"}'])
def test_json_of_another_layout_is_named(corpus: Corpus, tmp_path: Path, content: str) -> None:
    corpus.json.write_text(content)
    with pytest.raises(DataError, match="dataset_squares.json, field") as caught:
        corpus.data().open("train", tmp_path)
    assert "Karpathy" in caught.value.fix


def test_an_empty_split_and_files_that_are_not_there(corpus: Corpus, tmp_path: Path) -> None:
    corpus.content["images"] = [i for i in corpus.content["images"] if i["split"] != "val"]
    corpus.write()
    with pytest.raises(DataError, match="no image of split 'val'"):
        corpus.data().open("val", tmp_path)
    with pytest.raises(DataError, match="no pictures at .*elsewhere"):
        corpus.data(images=corpus.folder / "elsewhere").open("train", tmp_path)
    with pytest.raises(DataError, match=r"no captions at .*other\.json") as caught:
        corpus.data(json=corpus.folder / "other.json").open("train", tmp_path)
    assert "data.json" in caught.value.fix


def test_a_damaged_zip_is_named(corpus: Corpus, tmp_path: Path) -> None:
    place = corpus.zipped()
    place.write_bytes(place.read_bytes()[:500])
    with pytest.raises(DataError, match=r"images\.zip is neither a folder nor a whole zip"):
        corpus.data().open("train", tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_cannot_be_read_is_an_error_or_left_out_and_counted(
    corpus: Corpus, tmp_path: Path, zipped: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus.folder / "images" / "0001_square.png").write_bytes(b"no picture")
    (corpus.folder / "images" / "0002_square.png").unlink()
    if zipped:
        corpus.zipped()
    with pytest.raises(DataError, match=r"lacks 1 photographs: 0002_square\.png"):
        corpus.data().open("train", tmp_path)
    for _ in range(2):  # The second time from what is kept.
        data = corpus.data(skip_broken=True).open("train", tmp_path)
        said = capsys.readouterr().out
        assert "0002_square.png" in said and "0001_square.png" in said
        assert len(data.records) == 22 and data.images([0, 1]).shape[0] == 2
    kept = json.loads((tmp_path / "train-broken.json").read_text())
    assert list(kept["broken"]) == [f"{'Squares/' * zipped}0001_square.png"]


def test_without_skipping_a_damaged_picture_is_named(corpus: Corpus, tmp_path: Path) -> None:
    (corpus.folder / "images" / "0001_square.png").write_bytes(b"no picture")
    data = corpus.data().open("train", tmp_path)
    with pytest.raises(DataError, match=r"0001_square\.png does not open as a picture"):
        data.images([0, 1])


def test_groups_larger_than_a_split_are_refused(corpus: Corpus) -> None:
    profile = corpus.folder / "squares.yaml"
    data = f"{{kind: karpathy, json: {corpus.json}, images: {corpus.folder / 'images'}}}"
    profile.write_text(f"extends: flickr8k\ngroup_size: 9\ndata: {data}\n")
    with pytest.raises(ConfigError, match="K = 9 .*9 images of the val split"):
        load_profile(str(profile))


def test_the_profile_loads_without_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    data = load_profile("flickr8k").data
    with pytest.raises(DataError, match="there are no captions at") as caught:
        data.open("train", tmp_path)
    assert str(tmp_path / "data" / "flickr8k" / "images") in caught.value.fix


@pytest.mark.parametrize("any_size", [True, False])
def test_a_clip_that_crops_by_itself_sees_photographs_as_they_are(
    corpus: Corpus, tmp_path: Path, any_size: bool
) -> None:
    """OpenAI's CLIP crops the middle of a photograph; as a stretched square it would be another."""
    seen: list[tuple[int, ...]] = []

    class Encoder:
        name, digest = "sizes", "1"

        def encode_images(self, images: Any) -> torch.Tensor:
            seen.extend(np.asarray(image).shape for image in images)
            return torch.ones(len(images), 2)

        def encode_texts(self, texts: Any) -> torch.Tensor:
            return torch.ones(len(texts), 2)

    encoder: Any = Encoder()
    encoder.any_size = any_size
    data = corpus.data().open("val", tmp_path)
    embed_dataset(encoder, data)
    sizes = {np.asarray(picture).shape for picture in data.originals(range(9))}
    assert {*seen} == (sizes if any_size else {(64, 64, 3)}) and len(sizes) > 3
