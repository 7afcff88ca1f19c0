"""Photographs and captions of one's own: files of captions in any form, and webdataset shards."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from squares import Corpus

from gegcore.errors import ConfigError, DataError
from gegcore.profiles import load_profile
from photographs.own import OwnData
from photographs.shards import ShardData

SPLITS = ("train", "val", "test")


def lines_of(corpus: Corpus, **more: Any) -> list[dict[str, Any]]:
    return [
        {"image_id": image["filename"], "caption": sentence["raw"], **more}
        for image in corpus.content["images"]
        for sentence in image["sentences"]
    ]


def own(corpus: Corpus, captions: Any, **fields: Any) -> OwnData:
    given = {"captions": captions, "images": corpus.folder / "images", "image_px": 64}
    return OwnData.model_validate({**given, **fields})


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def opened(data: Any, folder: Path) -> dict[str, Any]:
    return {split: data.open(split, folder) for split in SPLITS}


def test_one_file_is_divided_by_its_images(corpus: Corpus, tmp_path: Path) -> None:
    """Into three; one image more moves no other."""
    path = write(corpus.folder / "mine.jsonl", lines_of(corpus))
    splits = opened(own(corpus, path, held_out=0.25), tmp_path)
    names = {split: {r.file for r in data.records} for split, data in splits.items()}
    assert sum(map(len, names.values())) == 42 and len(set.union(*names.values())) == 42
    assert all(names.values()) and len(names["train"]) > 15
    assert splits["val"].records[0].captions[0].endswith(".")
    assert splits["test"].images([0]).shape == (1, 64, 64, 3)
    write(path, lines_of(corpus)[5:])
    fewer = opened(own(corpus, path, held_out=0.25), tmp_path)
    for split, data in fewer.items():
        assert {r.file for r in data.records} <= names[split]


def test_too_few_photographs_are_not_more_by_a_limit(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of these `test` is an upper limit: only where it is what cuts, enlarging it may help."""
    monkeypatch.setenv("GEGCORE_HOME", str(corpus.folder))
    write(corpus.folder / "mine.jsonl", lines_of(corpus))
    profile, data = corpus.folder / "mine.yaml", "kind: own, captions: mine.jsonl, images: images"
    profile.write_text(f"extends: flickr8k\ndata: {{{data}}}\ngroup_size: 40\n")
    with pytest.raises(ConfigError, match="K = 40 images need more than") as caught:
        load_profile(str(profile))
    more = "give the split more images (data.held_out, or splits in the file)"
    assert caught.value.fix == f"lower group_size, or {more}"
    profile.write_text(f"extends: flickr8k\ndata: {{{data}, train: 3}}\n")
    with pytest.raises(ConfigError, match="than the 3 images of the train split") as caught:
        load_profile(str(profile))
    assert caught.value.fix == "lower group_size or enlarge data.train"


def test_a_file_of_each_split(corpus: Corpus, tmp_path: Path) -> None:
    lines, paths = lines_of(corpus), {}
    for number, split in enumerate(SPLITS):
        mine = lines[number * 70 : (number + 1) * 70]
        paths[split] = write(corpus.folder / f"{split}.jsonl", mine)
    splits = opened(own(corpus, paths), tmp_path)
    assert [len(data.records) for data in splits.values()] == [14, 14, 14]
    write(paths["val"], lines[:70])
    with pytest.raises(DataError, match="in two splits"):
        own(corpus, paths).open("val", tmp_path)
    with pytest.raises(ValueError, match="train, val, test each"):
        own(corpus, {"train": paths["train"]})


def test_splits_that_a_file_names(corpus: Corpus, tmp_path: Path) -> None:
    """A table with a column, JSON Lines or a list with a field, and Karpathy's JSON."""
    rows = ["image_id,caption,Split"]
    for image in corpus.content["images"]:
        rows += [f"{image['filename']},{s['raw']},{image['split']}" for s in image["sentences"]]
    table, listed = corpus.folder / "mine.csv", corpus.folder / "mine.json"
    table.write_text("\n".join(rows))
    lines = with_splits(corpus)
    listed.write_text(json.dumps(lines))
    for path in (table, corpus.json, listed, write(corpus.folder / "mine.jsonl", lines)):
        splits = opened(own(corpus, path), tmp_path)
        assert [len(data.records) for data in splits.values()] == [24, 9, 9]
        assert splits["val"].records[0].file == "0024_square.png"


def with_splits(corpus: Corpus) -> list[dict[str, Any]]:
    split_of = {image["filename"]: image["split"] for image in corpus.content["images"]}
    return [{**line, "split": split_of[line["image_id"]]} for line in lines_of(corpus)]


@pytest.mark.parametrize("value", ["", "dev", None])
def test_an_entry_of_no_split_belongs_nowhere_silently(
    corpus: Corpus, tmp_path: Path, value: str | None
) -> None:
    lines = with_splits(corpus)
    lines[2]["split"] = value
    path = write(corpus.folder / "mine.jsonl", lines)
    with pytest.raises(DataError, match=r"mine\.jsonl, line 3: split .* is unknown"):
        own(corpus, path).open("train", tmp_path)
    table = corpus.folder / "mine.csv"
    table.write_text(f"image_id,caption,split\n{lines[0]['image_id']},a square,{value or ''}\n")
    with pytest.raises(DataError, match=r"mine\.csv, row 1: split .* is unknown"):
        own(corpus, table).open("train", tmp_path)


def test_what_is_wrong_with_own_files_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no captions at .*absent\.jsonl") as caught:
        own(corpus, corpus.folder / "absent.jsonl").open("train", tmp_path)
    assert str(corpus.folder / "images") in caught.value.fix
    lines = lines_of(corpus)
    lines[0]["caption"] = 3
    path = write(corpus.folder / "mine.jsonl", lines)
    with pytest.raises(DataError, match="mine.jsonl"):
        own(corpus, path).open("train", tmp_path)
    lines[0] = {"image_id": "nowhere.png", "caption": "a square"}
    write(path, lines)
    with pytest.raises(DataError, match=r"lacks 1 photographs: nowhere\.png"):
        for split in SPLITS:
            own(corpus, path).open(split, tmp_path)


def shard(path: Path, corpus: Corpus, split: str, form: str) -> None:
    with tarfile.open(path, "w") as tar:
        for image in corpus.content["images"]:
            if image["split"] != split:
                continue
            said = [sentence["raw"] for sentence in image["sentences"]]
            texts = {"txt": "\n".join(said), "json": json.dumps({"captions": said, "width": 3})}
            key = Path(image["filename"]).stem
            files = {"png": (corpus.folder / "images" / image["filename"]).read_bytes()}
            files[form] = texts[form].encode()
            for ending, content in files.items():
                info = tarfile.TarInfo(f"{split}/{key}.{ending}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def shards(corpus: Corpus) -> ShardData:
    for split, form in zip(SPLITS, ("json", "txt", "json"), strict=True):
        shard(corpus.folder / f"{split}-0000.tar", corpus, split, form)
    patterns = {split: f"{corpus.folder}/{split}-*.tar" for split in SPLITS}
    return ShardData.model_validate({"shards": patterns, "image_px": 64})


def test_shards_are_the_same_data(corpus: Corpus, tmp_path: Path) -> None:
    packed, plain = opened(shards(corpus), tmp_path), opened(corpus.data(), tmp_path)
    for split in SPLITS:
        said = [[record.captions for record in data[split].records] for data in (packed, plain)]
        assert said[0] == said[1]
        rows = range(len(said[0]))
        assert np.array_equal(packed[split].images(rows), plain[split].images(rows))
    ids = [record.image_id for data in packed.values() for record in data.records]
    assert len({*ids}) == 42


def test_what_is_wrong_with_shards_is_named(corpus: Corpus, tmp_path: Path) -> None:
    data = shards(corpus)
    path = corpus.folder / "val-0000.tar"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"val-0000\.tar cannot be read"):
        data.open("val", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"no shards .*val-\*\.tar"):
        data.open("val", tmp_path)
    shard(path, corpus, "train", "txt")
    with pytest.raises(DataError, match="in two splits"):
        data.open("val", tmp_path)


def test_a_profile_of_ones_own_is_read(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the book shows it; what is missing is asked for."""
    monkeypatch.setenv("GEGCORE_HOME", str(corpus.folder))
    monkeypatch.chdir(corpus.folder)
    write(corpus.folder / "mine.jsonl", lines_of(corpus))
    text = "extends: flickr8k\ndata: {kind: own, captions: mine.jsonl, images: images}\n"
    (corpus.folder / "mine.yaml").write_text(text + "group_size: 1\n")
    profile = load_profile("mine.yaml")
    assert profile.data.size("train") > 20 and profile.data.extractor == "grid"
    (corpus.folder / "mine.yaml").write_text("extends: flickr8k\ndata: {kind: own}\n")
    with pytest.raises(ConfigError, match="captions"):
        load_profile("mine.yaml")


def test_an_image_in_two_named_splits_of_one_file_is_refused(
    corpus: Corpus, tmp_path: Path
) -> None:
    rows = ["image_id,caption,split"]
    for image in corpus.content["images"]:
        rows.append(f"{image['filename']},a square,{image['split']}")
    rows.append("0000_square.png,a square,test")
    table = corpus.folder / "mine.csv"
    table.write_text("\n".join(rows))
    for split in SPLITS:
        with pytest.raises(DataError, match=r"in two splits: 0000_square\.png"):
            own(corpus, table).open(split, tmp_path)
