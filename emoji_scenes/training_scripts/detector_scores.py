"""How well the detector sees: recall, average precision, classes, colours, scenes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from emoji_scenes.training_scripts.detector_losses import Target
from emoji_scenes.vision.faster_rcnn import Detections
from emoji_scenes.vision.heads import Labels

IOU = 0.5
"""A detection that overlaps a true box at least so much found it."""

SMALL_PX = 32.0
"""A thing whose longer side is at most so many pixels is small."""


@dataclass
class Tally:
    """Hits and trials of one proportion."""

    hits: int = 0
    trials: int = 0

    def add(self, hits: Tensor) -> None:
        self.hits += int(hits.sum())
        self.trials += hits.numel()

    @property
    def share(self) -> float:
        return self.hits / self.trials if self.trials else 0.0


@dataclass
class DetectorScores:
    """Collects scores over pictures; `summary` says them as fractions."""

    labels: Labels
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    ranked: dict[int, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    """By class: score and success of every detection."""
    positives: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, seen: Detections, targets: Iterable[Target]) -> None:
        """Compare what was seen in B pictures with the truth about them."""
        for row, target in enumerate(targets):
            keep = seen.mask[row].clone()
            keep[0] = False  # the whole picture is no thing
            self._add_things(
                seen.boxes[row, keep],
                seen.labels[row, keep],
                seen.colours[row, keep],
                seen.scores[row, keep],
                target,
            )
            for column, name in enumerate(self.labels.scene):
                right = seen.scene[name][row] == target["scene"][column]
                self.tallies[f"{name}_accuracy"].add(right)

    def _add_things(
        self, boxes: Tensor, labels: Tensor, colours: Tensor, scores: Tensor, target: Target
    ) -> None:
        iou = box_iou(boxes, target["boxes"])
        match = _greedy(iou)
        found = torch.zeros(len(target["labels"]), dtype=torch.bool)
        found[match[match >= 0]] = True
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).amax(-1)
        small = sides <= SMALL_PX
        self.tallies["recall"].add(found)
        self.tallies["recall_small"].add(found[small])
        self.tallies["precision"].add(match >= 0)
        hit, truth = match >= 0, match[match >= 0]
        right = labels[hit] == target["labels"][truth]
        self.tallies["class_accuracy"].add(right)
        self.tallies["class_accuracy_small"].add(right[small[truth]])
        true_colour = target["colours"][truth]
        right = colours[hit] == true_colour
        self.tallies["colour_accuracy"].add(right[true_colour > 0])
        self.tallies["colour_accuracy_small"].add(right[(true_colour > 0) & small[truth]])
        self.tallies["natural_colour_accuracy"].add(right[true_colour == 0])
        self._rank(iou, labels, scores, target["labels"])

    def _rank(self, iou: Tensor, labels: Tensor, scores: Tensor, truth: Tensor) -> None:
        """For average precision: a detection succeeds if it finds a new thing of its class."""
        same = labels[:, None] == truth[None, :]
        success = _greedy(torch.where(same, iou, 0.0)) >= 0
        for label, score, hit in zip(
            labels.tolist(), scores.tolist(), success.tolist(), strict=True
        ):
            self.ranked[label].append((score, hit))
        for label in truth.tolist():
            self.positives[label] += 1

    def summary(self) -> dict[str, float]:
        """Every proportion, and mAP at IoU 0.5 over the classes that occur."""
        precisions = [
            _average_precision(self.ranked[label], count) for label, count in self.positives.items()
        ]
        scores = {name: round(tally.share, 4) for name, tally in self.tallies.items()}
        return {"mAP@0.5": round(float(np.mean(precisions)), 4) if precisions else 0.0, **scores}


def _greedy(iou: Tensor) -> Tensor:
    """The true box each detection finds, -1 for none; detections come by descending score.

    Shapes: iou `(detections, truths)` -> `(detections,)`. Each true box is found once.
    """
    free = iou.clone()
    match = torch.full((len(iou),), -1)
    for row in range(len(iou)):
        if free.shape[1] and float(free[row].max()) >= IOU:
            match[row] = int(free[row].argmax())
            free[:, match[row]] = -1.0
    return match


def _average_precision(ranked: list[tuple[float, bool]], positives: int) -> float:
    """Area under the precision-recall curve with precision made monotone (Pascal VOC 2010+)."""
    if not ranked:
        return 0.0
    hits = np.array([hit for _, hit in sorted(ranked, key=lambda pair: -pair[0])], dtype=float)
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    return float((monotone * hits).sum() / positives)
