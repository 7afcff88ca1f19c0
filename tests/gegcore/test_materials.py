"""Prepared materials: made once, opened afterwards, made again when their origin changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emoji_scenes import dataset as emoji_dataset
from gegcore.array_folder import ArrayFolder
from gegcore.data.dataset import CaptionDataset
from gegcore.errors import DataError
from gegcore.materials import Materials
from gegcore.profiles import load_profile


def no_sampling(*_: object) -> None:
    raise AssertionError("a stored scene was sampled again")


def test_stored_annotations_are_opened_without_sampling(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emoji_dataset, "sample_scene", no_sampling)
    materials = Materials.of(load_profile("smoke"))
    assert {split: len(data.records) for split, data in materials.data.items()} == {
        "train": 96,
        "val": 24,
        "test": 32,
    }


@pytest.mark.parametrize("change", ["code", "seed", "size", "damage"])
def test_annotations_of_something_else_are_made_again(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    profile = load_profile("smoke")
    path = smoke_home / "artifacts" / "smoke" / "data" / "val.json"
    before = path.read_text()
    expected = Materials.of(profile).data["val"].digest
    if change == "code":
        path.write_text(before.replace(emoji_dataset.generator(), "0123456789abcdef"))
    elif change == "damage":
        path.write_text(before.replace(" a ", " the ", 1))
    else:
        data = profile.data.model_copy(update={"seed": 5} if change == "seed" else {"val": 20})
        profile = profile.model_copy(update={"data": data})
    again = Materials.of(profile).data["val"]
    assert again.generator == emoji_dataset.generator()
    assert (again.digest == expected) == (change in ("code", "damage"))
    assert emoji_dataset.ScenesDataset.load(path).digest == again.digest


@pytest.mark.parametrize(
    ("captions", "named"),
    [
        (("a dog", "zyx wvu"), "'zyx wvu' of val image 7 has no known word"),
        ((), "val image 7 has no"),
    ],
)
def test_references_without_words_are_named(
    smoke_home: Path, captions: tuple[str, ...], named: str
) -> None:
    materials = Materials.of(load_profile("smoke"))
    record = replace(materials.data["val"].records[0], image_id=7, captions=captions)
    materials.data["val"] = SimpleNamespace(records=[record])  # type: ignore[assignment]
    assert len(materials.references("train")) == 96
    with pytest.raises(DataError, match=named):
        materials.references("val")


class Mirrored:
    """The pictures of a split, the other way round: same captions, same ids, other pixels."""

    def __init__(self, dataset: CaptionDataset) -> None:
        self.name, self.split, self.records = dataset.name, dataset.split, dataset.records
        self.images_of = dataset.images

    def images(self, indices: Sequence[int]) -> np.ndarray:
        return self.images_of(indices)[:, ::-1, ::-1].copy()


def test_other_pictures_make_other_features_embeddings_and_groups(smoke_home: Path) -> None:
    """Captions and files may keep their names while the pictures change."""
    profile = load_profile("smoke")
    folder = smoke_home / "artifacts" / "smoke" / "groups" / f"val-k{profile.group_size}"
    before = ArrayFolder.open(folder, (), "groups").key
    materials = Materials.of(profile)
    materials.data = {"val": Mirrored(materials.data["val"])}
    table, groups = materials.tables["val"], materials.groups["val"]
    assert before["pixels"] != table.key["pixels"]
    assert table.key.items() < groups.key.items()
    assert groups.key == ArrayFolder.open(folder, (), "groups").key
    assert before["captions_digest"] == table.key["captions_digest"]
    assert materials.features["val"].key["pixels"] == table.key["pixels"]
