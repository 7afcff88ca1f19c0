"""Region features of torchvision's Faster R-CNN: what is chosen, described, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from squares import Corpus
from torchvision.models import detection
from torchvision.ops import box_iou

from gegcore.data.dataset import ImageRecord
from gegcore.data.features import FeatureStore, write_features
from gegcore.errors import ConfigError, DataError, MissingDependencyError
from photographs import regions
from photographs.dataset import Photographs
from photographs.grids import Grids
from photographs.pictures import PictureFiles
from photographs.regions import OVERLAP, RegionExtractor, load_detector

NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random ones, as a file that a user brings."""
    torch.manual_seed(0)
    net = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    path = tmp_path_factory.mktemp("detector") / "detector.pth"
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractor(weights: Path) -> RegionExtractor:
    grids = Grids("efficientnet-lite0")
    return RegionExtractor(NAME, load_detector(NAME, weights), grids, side=64, regions=9)


def test_regions_are_the_most_certain_that_differ(
    extractor: RegionExtractor, corpus: Corpus, tmp_path: Path
) -> None:
    data = corpus.data().open("val", tmp_path)
    batch = extractor.of(data, [0, 3, 5])
    assert batch.regions.shape == (3, 9, 1024) and batch.pooled.shape == (3, 1280)
    assert batch.attributes is None and batch.relations is not None
    assert batch.relations.shape == (3, 9, 9) and batch.mask.any(1).all()
    assert ((batch.boxes >= 0) & (batch.boxes <= 1)).all()
    for boxes, there, rows in zip(batch.boxes, batch.mask, batch.regions, strict=True):
        assert not rows[~there].any() and rows[there].any(1).all()
        overlap = box_iou(boxes[there], boxes[there]).fill_diagonal_(0)
        assert overlap.max() <= OVERLAP + 1e-5


def test_features_are_those_of_the_chosen_boxes(
    extractor: RegionExtractor, corpus: Corpus, tmp_path: Path
) -> None:
    """By torchvision's own pieces, called one after another on one photograph."""
    data = corpus.data().open("val", tmp_path)
    batch, picture = extractor.of(data, [2]), data.originals([2])[0]
    net = extractor.detector
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255
    images, _ = net.transform([pixels])
    height, width = images.image_sizes[0]
    boxes = batch.boxes[0, batch.mask[0]] * torch.tensor([width, height, width, height])
    with torch.no_grad():
        maps = net.backbone(images.tensors)
        pooled = net.roi_heads.box_roi_pool(maps, [boxes], images.image_sizes)
        wanted = net.roi_heads.box_head(pooled)
    assert torch.allclose(batch.regions[0, batch.mask[0]], wanted, atol=1e-3)


def test_a_photograph_has_the_same_features_in_any_company(
    extractor: RegionExtractor, corpus: Corpus, tmp_path: Path
) -> None:
    """And in its own shape: not as the square that others see."""
    data = corpus.data().open("val", tmp_path)
    alone, together = extractor.of(data, [4]), extractor.of(data, [1, 4])
    assert torch.allclose(alone.regions[0], together.regions[1], atol=1e-5)
    assert not torch.allclose(alone.boxes, extractor(data.images([4])).boxes, atol=1e-3)


def test_a_killed_computation_goes_on_and_anybodys_photograph_is_seen_alike(
    extractor: RegionExtractor, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = corpus.data().open("val", tmp_path)
    looked: list[Image.Image] = []
    look = RegionExtractor._look

    def counted(self: RegionExtractor, picture: Image.Image):  # type: ignore[no-untyped-def]
        looked.append(picture)
        if len(looked) == 6:
            raise KeyboardInterrupt
        return look(self, picture)

    monkeypatch.setattr(RegionExtractor, "_look", counted)
    with pytest.raises(KeyboardInterrupt):
        write_features(data, extractor, tmp_path / "val", batch=2, part=4)
    store = write_features(data, extractor, tmp_path / "val", batch=2, part=4)
    assert len(looked) == 6 + 5 and len(store) == 9  # the first part is not made again
    assert len(FeatureStore.open(tmp_path / "val")) == 9
    path = tmp_path / "elsewhere.png"
    data.originals([7])[0].save(path)
    other = Photographs("x", "", [ImageRecord(0, (), str(path))], PictureFiles(), 64)
    seen = extractor.of(other, [0])
    assert torch.allclose(seen.regions[0], store.batch([7]).regions[0], atol=1e-2)


def test_what_is_wrong_with_a_detector_is_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="unknown detector 'yolo'"):
        load_detector("yolo")
    with pytest.raises(DataError, match="does not hold weights of fasterrcnn_resnet50_fpn"):
        load_detector("fasterrcnn_resnet50_fpn", weights)
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="missing"):
        load_detector(NAME, tmp_path / "x.safetensors")

    def offline(**_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(regions.detection, NAME, offline)
    with pytest.raises(MissingDependencyError, match="no network") as caught:
        load_detector(NAME)
    assert "detector_weights" in caught.value.fix
