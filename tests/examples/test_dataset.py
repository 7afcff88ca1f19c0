"""A data set in one file and one line of a profile: prepared, trained on and scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from emoji_scenes.dataset import ScenesDataset
from gegcore.errors import DataError
from gegcore.experiment import run_experiment
from gegcore.profiles import Profile

LINES = 'data: {{kind: "examples.dataset:PictureFolder", path: {}}}\nmetrics: []'
SIZES = {"train": 24, "val": 8, "test": 8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures and captions as files, of two sizes."""
    folder = tmp_path / "my_pictures"
    folder.mkdir()
    rows = []
    for split, size in SIZES.items():
        scenes = ScenesDataset(split, size)
        for i, (record, pixels) in enumerate(
            zip(scenes.records, scenes.images(range(size)), strict=True)
        ):
            file = f"{split}{i}.png"
            Image.fromarray(pixels).resize((160, 120 + 40 * (i % 2))).save(folder / file)
            rows.append({"file": file, "split": split, "captions": record.captions})
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.mark.timeout(400)
def test_a_profile_names_it(profile_of: Callable[..., Profile], folder: Path) -> None:
    profile = profile_of(LINES.format(folder), name="mine")
    assert {split: profile.data.size(split) for split in SIZES} == SIZES
    run = run_experiment(profile, "transformer", "mle", 1)
    assert run.metrics()["R@1"]["n"] == SIZES["test"] and run.path.parent.name == "mine"
    first = sum(SIZES.values()) - SIZES["test"]
    assert list(run.captions()) == list(range(first, first + SIZES["test"]))


def test_a_missing_picture_is_named(profile_of: Callable[..., Profile], folder: Path) -> None:
    profile = profile_of(LINES.format(folder), name="mine")
    (folder / "val3.png").unlink()
    with pytest.raises(DataError, match=r"val3\.png does not exist"):
        profile.data.open("val", folder)
