"""A trunk and a detector of shapes, each made once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from vision_shapes import LABELS, SIDE, Learned, Shapes

from emoji_scenes.training_scripts.detector_data import cache_maps, shuffled, target_of
from emoji_scenes.training_scripts.detector_losses import detector_losses
from emoji_scenes.vision.faster_rcnn import Detector
from emoji_scenes.vision.trunk import Trunk


@pytest.fixture(scope="session")
def trunk() -> Trunk:
    return Trunk()


@pytest.fixture(scope="session")
def learned(trunk: Trunk, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    seen, count = 128, 160
    shapes = Shapes(count)
    maps = cache_maps(shapes, count, trunk, tmp_path_factory.mktemp("maps"))
    targets = [target_of(shapes.scene(i), LABELS, (SIDE, SIDE)) for i in range(count)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        detector = Detector(LABELS).train()
        optimiser = torch.optim.AdamW(detector.parameters(), 2e-3)
        for batch in shuffled(seen, 8, 6, np.random.default_rng(0)):
            losses = detector_losses(detector, maps.batch(batch), [targets[i] for i in batch])
            optimiser.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimiser.step()
    return Learned(detector.eval(), shapes, maps, targets, seen)
