"""Pictures in, feature batches out: trunk, detector and words behind the extractor interface."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emoji_scenes.vision.attributes import SHIPPED as SHIPPED_WORDS
from emoji_scenes.vision.attributes import WordClassifier, load_classifier
from emoji_scenes.vision.faster_rcnn import Detections, Detector, Thresholds
from emoji_scenes.vision.heads import Labels
from emoji_scenes.vision.trunk import Trunk
from emoji_scenes.vision.weights import FOLDER, load_shipped
from gegcore.code_digest import code_digest
from gegcore.data.features import FeatureBatch
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.errors import ChecksumError
from gegcore.storage import digest

SHIPPED = "scenes_detector"
"""The detector of the embedded world."""


class RegionExtractor(nn.Module):
    """Features of whole pictures and of their most certain regions, and how regions stand.

    Args:
        name: of the detector's weights.
        detector: over the trunk's maps.
        weights_digest: identifies the detector's weights.
        thresholds: what counts as a region.
        words: over the trunk's maps; without it there are no attributes.
    """

    relation_labels: int = len(RELATIONS)

    def __init__(
        self,
        name: str,
        detector: Detector,
        weights_digest: str,
        thresholds: Thresholds | None = None,
        words: WordClassifier | None = None,
    ) -> None:
        super().__init__()
        self.name, self.weights_digest = name, weights_digest
        self.thresholds = thresholds or Thresholds()
        self.trunk, self.detector, self.words = Trunk(), detector, words
        # Convolutions over channels-last maps are faster, and the trunk's maps come so.
        for part in (self.detector.neck, self.words):
            if part is not None:
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.requires_grad_(False).eval()

    @cached_property
    def digest(self) -> str:
        """Of weights, thresholds and code: what the features follow from."""
        return digest(
            {
                "trunk": self.trunk.digest,
                "detector": self.weights_digest,
                "words": None if self.words is None else self.words.digest,
                "thresholds": vars(self.thresholds),
                "code": code_digest("emoji_scenes.vision.detector"),
            }
        )

    def detect(self, images: np.ndarray) -> Detections:
        """What the detector sees in uint8 RGB pictures `(B, H, W, 3)`."""
        return self.detector.detect(self.trunk(images), self.thresholds)

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        """Features of uint8 RGB pictures `(B, H, W, 3)`; region 0 is the whole picture."""
        maps = self.trunk(images)
        seen = self.detector.detect(maps, self.thresholds)
        height, width = images.shape[1:3]
        return FeatureBatch(
            pooled=maps.pooled,
            attributes=None if self.words is None else self.words(maps),
            regions=seen.features,
            boxes=seen.boxes / seen.boxes.new_tensor([width, height, width, height]),
            relations=spatial_relations(seen.boxes, seen.mask, (height, width)),
            mask=seen.mask,
        )


def load_extractor(
    device: torch.device | str = "cpu",
    name: str = SHIPPED,
    words: str | None = SHIPPED_WORDS,
    folder: Path = FOLDER,
) -> RegionExtractor:
    """The extractor with shipped weights.

    Args:
        device: where it runs.
        name: of the detector's weights.
        words: name of the word classifier's weights; None: without attributes.
        folder: of both.

    Raises:
        MissingDependencyError: weights of the detector, the words or the trunk are absent.
        ChecksumError: they are not what their provenance says.
    """
    tensors, metadata = load_shipped(name, folder)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
        detector = Detector(Labels.from_dict(metadata["labels"]))
    try:
        detector.load_state_dict(tensors)
    except RuntimeError as error:
        raise ChecksumError(
            f"weights {name} do not fit the detector: {str(error).splitlines()[0]}",
            "train it again: python -m emoji_scenes.training_scripts.train_detector",
        ) from error
    classifier = None if words is None else load_classifier(words, folder)
    return RegionExtractor(name, detector, metadata["sha256"][:16], words=classifier).to(device)
