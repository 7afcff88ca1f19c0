"""Prepared materials: made once, opened afterwards, made again when their origin changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from emoji_scenes import dataset as emoji_dataset
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
