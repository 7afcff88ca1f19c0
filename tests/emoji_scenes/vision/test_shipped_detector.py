"""The shipped detector sees the world as its provenance says, in the code that captioners use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.training_scripts.detector_data import target_of
from emoji_scenes.training_scripts.detector_scores import DetectorScores
from emoji_scenes.training_scripts.train_detector import world_labels
from emoji_scenes.vision.detector import SHIPPED, RegionExtractor, load_extractor
from emoji_scenes.vision.weights import load_shipped
from gegcore.data.features import FeatureStore, write_features


@pytest.fixture(scope="module")
def extractor() -> RegionExtractor:
    return load_extractor()


@pytest.fixture(scope="module")
def pictures() -> ScenesDataset:
    return ScenesDataset("val", 48)


def test_it_knows_todays_world(extractor: RegionExtractor) -> None:
    """A new entity or colour needs new weights: this fails until they are trained."""
    assert extractor.detector.labels == world_labels()


def test_it_sees_pictures_of_another_split(
    extractor: RegionExtractor, pictures: ScenesDataset
) -> None:
    labels, rows = extractor.detector.labels, range(len(pictures.records))
    scores = DetectorScores(labels)
    targets = [target_of(pictures.scene(i), labels, (128, 128)) for i in rows]
    scores.add(extractor.detect(pictures.images(list(rows))), targets)
    stated, seen = load_shipped(SHIPPED).metadata["scores"], scores.summary()
    for name in ("recall", "recall_small", "precision", "class_accuracy", "colour_accuracy"):
        assert seen[name] > stated[name] - 0.06, name
    assert stated["recall_small"] > 0.9 and stated["colour_accuracy_small"] > 0.85
    assert seen["setting_accuracy"] > 0.95 and seen["time_accuracy"] > 0.95


def test_features_of_a_split(
    extractor: RegionExtractor, pictures: ScenesDataset, tmp_path: Path
) -> None:
    store = write_features(pictures, extractor, tmp_path / "val", batch=20)
    assert store.width("regions") == 256 and store.width("pooled") == 1280
    batch = FeatureStore.open(tmp_path / "val").batch(np.arange(48))
    things = np.array([len(pictures.scene(i).things) for i in range(48)])
    found = batch.mask.sum(1).numpy() - 1
    assert (found == things).mean() > 0.8
    # Half precision on disk, batches of another size: the same features to three digits.
    fresh = extractor(pictures.images([7]))
    assert np.allclose(batch.pooled[7], fresh.pooled[0], rtol=2e-3, atol=2e-2)
    assert np.allclose(batch.regions[7, 0], fresh.regions[0, 0], rtol=2e-3, atol=5e-2)
    assert write_features(pictures, extractor, tmp_path / "val").digest == store.digest
