"""The detector learns what it is shown, and its features keep their promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_shapes import LABELS, SIDE, Learned, Shapes

from emoji_scenes.training_scripts.detector_losses import _sample, detector_losses
from emoji_scenes.training_scripts.detector_scores import DetectorScores
from emoji_scenes.vision.detector import RegionExtractor, load_extractor
from emoji_scenes.vision.faster_rcnn import Detector, Thresholds, _rank
from emoji_scenes.vision.heads import Labels
from emoji_scenes.vision.weights import save_shipped
from gegcore.errors import ChecksumError


def test_it_learns_shapes_colours_and_scenes(learned: Learned) -> None:
    rows = np.arange(learned.seen, len(learned.targets))
    seen = learned.detector.detect(learned.maps.batch(rows), Thresholds(score=0.4))
    scores = DetectorScores(LABELS)
    scores.add(seen, [learned.targets[i] for i in rows])
    summary = scores.summary()
    assert summary["recall"] > 0.9 and summary["precision"] > 0.7
    assert summary["class_accuracy"] > 0.85
    assert summary["colour_accuracy"] > 0.85
    assert summary["setting_accuracy"] > 0.95


def test_shapes_of_the_features(learned: Learned) -> None:
    extractor = RegionExtractor("shapes", learned.detector, "0", Thresholds(regions=5))
    batch = extractor(learned.shapes.images([0, 1, 2]))
    assert batch.pooled.shape == (3, 1280) and batch.regions.shape == (3, 5, 256)
    assert batch.boxes.shape == (3, 5, 4) and batch.mask.shape == (3, 5)
    assert batch.mask[:, 0].all()
    assert torch.equal(batch.boxes[:, 0], torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(3, 4))
    assert not batch.regions[~batch.mask].any() and not batch.boxes[~batch.mask].any()
    real = batch.boxes[batch.mask]
    assert (real >= 0).all() and (real <= 1).all() and (real[:, 2:] > real[:, :2]).all()


def test_a_picture_does_not_depend_on_its_batch(learned: Learned) -> None:
    extractor = RegionExtractor("shapes", learned.detector, "0")
    pictures = learned.shapes.images([3, 4, 5])
    together, alone = extractor(pictures), extractor(pictures[1:2])
    assert torch.equal(together.mask[1], alone.mask[0])
    assert torch.allclose(together.boxes[1], alone.boxes[0], atol=1e-4)
    assert torch.allclose(together.regions[1], alone.regions[0], atol=1e-2)


def test_regions_are_certain_apart_and_few(learned: Learned) -> None:
    from torchvision.ops import box_iou

    rows = np.arange(12)
    limits = Thresholds(regions=4, score=0.02, overlap=0.3)
    seen = learned.detector.detect(learned.maps.batch(rows), limits)
    for boxes, mask in zip(seen.boxes, seen.mask, strict=True):
        things = boxes[1:][mask[1:]]
        assert len(things) <= 3
        assert not torch.triu(box_iou(things, things), 1).gt(limits.overlap).any()
    assert mask.tolist() == sorted(mask.tolist(), reverse=True), "padding comes last"


def test_without_detections_the_whole_picture_remains(learned: Learned) -> None:
    seen = learned.detector.detect(learned.maps.batch(np.arange(2)), Thresholds(score=1.0))
    assert seen.mask.sum(1).tolist() == [1, 1]
    assert seen.features[:, 0].abs().sum(-1).gt(0).all()


def test_every_trainable_part_learns(learned: Learned) -> None:
    detector = Detector(LABELS).train()
    rows = np.arange(16)
    losses = detector_losses(detector, learned.maps.batch(rows), [learned.targets[i] for i in rows])
    torch.stack(list(losses.values())).sum().backward()
    idle = [name for name, p in detector.named_parameters() if p.grad is None]
    assert not idle
    assert set(losses) == {
        "proposal",
        "proposal_box",
        "class",
        "box",
        "colour",
        "setting",
        "time",
        "weather",
    }


def test_sampled_regions_know_what_they_show(learned: Learned) -> None:
    from torchvision.ops import box_iou

    target = learned.targets[0]
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(60, 2, generator=generator) * 40
    proposals = torch.cat([corner, corner + 8 + torch.rand(60, 2, generator=generator) * 16], 1)
    drawn = _sample(proposals, target)
    iou = box_iou(drawn["boxes"], target["boxes"])
    assert torch.equal(drawn["labels"] > 0, iou.amax(1) >= 0.5)
    positive = drawn["labels"] > 0
    best = iou.argmax(1)[positive]
    assert torch.equal(drawn["labels"][positive], target["labels"][best])
    assert torch.equal(drawn["colours"][positive], target["colours"][best])
    assert torch.equal(drawn["truth"][positive], target["boxes"][best])
    assert not drawn["colours"][~positive].any()
    assert positive.any(), "the true boxes are among the regions"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), max_size=20))
def test_rank_counts_within_each_image(image: list[int]) -> None:
    expected = [image[:position].count(one) for position, one in enumerate(image)]
    assert _rank(torch.tensor(image, dtype=torch.long), 5).tolist() == expected


def test_labels_survive_json() -> None:
    assert Labels.from_dict(LABELS.to_dict()) == LABELS


def _ship(detector: Detector, labels: Labels, folder: Path) -> None:
    save_shipped("shapes", detector.state_dict(), {"labels": labels.to_dict()}, folder)


def test_shipped_weights_make_the_same_features(learned: Learned, tmp_path: Path) -> None:
    _ship(learned.detector, LABELS, tmp_path)
    before = torch.get_rng_state()
    loaded = load_extractor(name="shapes", words=None, folder=tmp_path)
    assert torch.equal(before, torch.get_rng_state()), "loading draws no random numbers"
    pictures = learned.shapes.images([0, 1])
    expected = RegionExtractor("shapes", learned.detector, "0")(pictures)
    assert torch.equal(loaded(pictures).regions, expected.regions)
    assert loaded.digest == load_extractor(name="shapes", words=None, folder=tmp_path).digest


def test_the_digest_follows_weights_and_thresholds(learned: Learned) -> None:
    digests = {
        RegionExtractor("shapes", learned.detector, weights, limits).digest
        for weights in ("0", "1")
        for limits in (Thresholds(), Thresholds(score=0.5))
    }
    assert len(digests) == 4


def test_weights_of_other_labels_are_refused(learned: Learned, tmp_path: Path) -> None:
    more = Labels(("cross", "square", "disc"), LABELS.colours, LABELS.scene)
    _ship(learned.detector, more, tmp_path)
    with pytest.raises(ChecksumError, match="do not fit") as caught:
        load_extractor(name="shapes", words=None, folder=tmp_path)
    assert "train_detector" in caught.value.fix


def test_other_picture_sizes_work(learned: Learned) -> None:
    """A photograph is not square: boxes are fractions of its own width and height."""
    tall = np.concatenate([learned.shapes.images([0]), learned.shapes.images([1])], axis=1)
    assert tall.shape[1:3] == (2 * SIDE, SIDE)
    batch = RegionExtractor("shapes", learned.detector, "0")(tall)
    found = len(Shapes(2).scene(0).things) + len(Shapes(2).scene(1).things)
    assert int(batch.mask.sum()) - 1 >= found - 1
    assert (batch.boxes <= 1).all()
