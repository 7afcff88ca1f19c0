"""Pictures in, feature batches out: trunk and detector behind the extractor interface."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gegcore.data.features import FeatureBatch
from gegcore.errors import ChecksumError
from gegcore.provenance import code_digest
from gegcore.storage import digest
from gegcore.vision.faster_rcnn import Detections, Detector, Thresholds
from gegcore.vision.heads import Labels
from gegcore.vision.trunk import Trunk
from gegcore.vision.weights import FOLDER, load_shipped

SHIPPED = "scenes_detector"
"""The detector of the embedded world."""


class RegionExtractor(nn.Module):
    """Pooled features of whole pictures and features of their most certain regions.

    Args:
        name: of the detector's weights.
        detector: over the trunk's maps.
        weights_digest: identifies the detector's weights.
        thresholds: what counts as a region.
    """

    def __init__(
        self,
        name: str,
        detector: Detector,
        weights_digest: str,
        thresholds: Thresholds | None = None,
    ) -> None:
        super().__init__()
        self.name, self.weights_digest = name, weights_digest
        self.thresholds = thresholds or Thresholds()
        self.trunk, self.detector = Trunk(), detector
        # Convolutions over channels-last maps are faster, and the trunk's maps come so.
        self.detector.neck.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.requires_grad_(False).eval()

    @cached_property
    def digest(self) -> str:
        """Of weights, thresholds and code: what the features follow from."""
        return digest(
            {
                "trunk": self.trunk.digest,
                "detector": self.weights_digest,
                "thresholds": vars(self.thresholds),
                "code": code_digest("gegcore.vision.detector"),
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
        scale = seen.boxes.new_tensor([width, height, width, height])
        return FeatureBatch(maps.pooled, None, seen.features, seen.boxes / scale, None, seen.mask)


def load_extractor(
    device: torch.device | str = "cpu", name: str = SHIPPED, folder: Path = FOLDER
) -> RegionExtractor:
    """The extractor with shipped weights.

    Raises:
        MissingDependencyError: the weights of the detector or of the trunk are absent.
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
            "train it again: python -m gegcore.vision.train_detector",
        ) from error
    return RegionExtractor(name, detector, metadata["sha256"][:16]).to(device)
