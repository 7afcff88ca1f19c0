"""Several processes prepare one profile, as on several GPUs: each makes its parts, once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from child_processes import together
from squares import make_corpus

from gegcore import array_parts
from gegcore.cli import main
from gegcore.data.features import FeatureStore
from gegcore.groups import SimilarGroups
from photographs import trained
from photographs.encoders import EncoderSettings

PROFILE = """
extends: flickr8k
data: {kind: karpathy, json: dataset_squares.json, images: images, image_px: 64}
group_size: 3
min_count: 1
"""
SIZES = {"train": 24, "val": 9, "test": 9}


def prepare(folder: Path, home: Path) -> None:
    """What each process runs; parts of 4 rows."""
    os.environ["GEGCORE_HOME"] = str(home)
    os.chdir(home)
    array_parts.PART = 4
    trained._cached_weights = lambda: None
    tiny = trained.CLIP.model_dump() | {"width": 16, "batch": 8, "epochs": 1}
    trained.CLIP = EncoderSettings(**tiny)
    assert main(["prepare", "--profile", "tiny.yaml"]) == 0


def test_the_same_as_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
        make_corpus(home, SIZES)
        (home / "tiny.yaml").write_text(PROFILE)
    together(prepare, 2, tmp_path / "meet two", homes[1])
    together(prepare, 1, tmp_path / "meet one", homes[0])
    for split, count in SIZES.items():
        places = [home / "artifacts" / "tiny" for home in homes]
        alone, shared = (FeatureStore.open(place / "features" / split) for place in places)
        assert len(shared) == count and len([*(places[1] / "features" / split).iterdir()]) > 2
        assert alone.digest == shared.digest
        rows = range(count)
        assert np.array_equal(alone.batch(rows).regions, shared.batch(rows).regions)
        ones, twos = (SimilarGroups.load(place / "groups" / f"{split}-k3") for place in places)
        assert np.array_equal(ones.index, twos.index) and ones.digest == twos.digest
