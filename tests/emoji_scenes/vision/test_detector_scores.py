"""Detector scores by hand."""

from __future__ import annotations

import pytest
import torch
from vision_shapes import LABELS

from emoji_scenes.training_scripts.detector_losses import Target
from emoji_scenes.training_scripts.detector_scores import (
    DetectorScores,
    _average_precision,
    _greedy,
)
from emoji_scenes.vision.faster_rcnn import Detections


def _target() -> Target:
    return Target(
        boxes=torch.tensor([[0.0, 0, 20, 20], [40, 0, 80, 40]]),
        labels=torch.tensor([1, 2]),
        colours=torch.tensor([2, 0]),
        scene=torch.tensor([1, 0, 0]),
    )


def _seen(boxes: list[list[float]], labels: list[int], colours: list[int]) -> Detections:
    whole = [0.0, 0.0, 128.0, 128.0]
    n = len(boxes) + 1
    return Detections(
        boxes=torch.tensor([[whole, *boxes]]),
        features=torch.zeros(1, n, 256),
        labels=torch.tensor([[0, *labels]]),
        colours=torch.tensor([[0, *colours]]),
        scores=torch.linspace(1, 0.5, n)[None],
        scene={
            "setting": torch.tensor([1]),
            "time": torch.tensor([0]),
            "weather": torch.tensor([0]),
        },
        mask=torch.ones(1, n, dtype=torch.bool),
    )


def test_all_right() -> None:
    scores = DetectorScores(LABELS)
    scores.add(_seen([[0, 0, 20, 20], [40, 0, 80, 38]], [1, 2], [2, 0]), [_target()])
    assert set(scores.summary().values()) == {1.0}


def test_one_miss_one_wrong_class_one_duplicate() -> None:
    scores = DetectorScores(LABELS)
    scores.add(_seen([[0, 0, 20, 20], [0, 1, 20, 20]], [2, 1], [2, 2]), [_target()])
    summary = scores.summary()
    assert summary["recall"] == 0.5 and summary["recall_small"] == 1.0
    assert summary["precision"] == 0.5, "the same thing is found once"
    assert summary["class_accuracy"] == 0.0 and summary["colour_accuracy"] == 1.0
    # Class 1 is found by the second detection, class 2 by none.
    assert summary["mAP@0.5"] == 0.5


def test_nothing_seen() -> None:
    scores = DetectorScores(LABELS)
    scores.add(_seen([], [], []), [_target()])
    assert scores.summary()["recall"] == 0.0 and scores.summary()["mAP@0.5"] == 0.0


def test_greedy_gives_each_truth_to_the_first_that_finds_it() -> None:
    iou = torch.tensor([[0.6, 0.55], [0.9, 0.7], [0.8, 0.4]])
    assert _greedy(iou).tolist() == [0, 1, -1]
    assert _greedy(torch.zeros(2, 0)).tolist() == [-1, -1]


def test_average_precision_of_a_textbook_curve() -> None:
    # Hits at ranks 1 and 3 of 3 true things: (1/1 + 2/3) / 3.
    ranked = [(0.9, True), (0.8, False), (0.7, True), (0.1, False)]
    assert _average_precision(ranked, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert _average_precision([], 3) == 0.0
