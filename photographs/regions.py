"""Region features of photographs, by torchvision's Faster R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.models import detection
from torchvision.ops import clip_boxes_to_image, nms
from torchvision.transforms.functional import to_tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.data.features import FeatureBatch
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.embeddings import weights_digest
from gegcore.errors import ConfigError, DataError, MissingDependencyError
from gegcore.materials import Materials
from gegcore.storage import digest
from gegcore.weights import misfit, read_tensors
from photographs.dataset import in_place
from photographs.grids import Grids
from photographs.pictures import square

DETECTORS = tuple(
    name for name in detection.__dict__ if name.startswith("fasterrcnn_") and name.islower()
)
"""Builders of torchvision whose box head gives 1,024 numbers a region."""

OVERLAP = 0.7
"""Of two regions that overlap more (IoU), whatever they show, the more certain one stays."""

_LEAST_SIDE = 1.0


class RegionExtractor:
    """The N most certain regions of each photograph, described by the detector's box head.

    They are chosen over all classes at once and without a threshold, so that every photograph has
    its N; proposals fill up.

    Args:
        detector: of torchvision, in evaluation mode.
        grids: whose mean is the pooled feature, of photographs as squares of `side` pixels.
        regions: N.

    Source: bottom-up attention (anderson2018updown), whose detector and features are no longer to
    be had; here with COCO's 80 classes and no attributes.
    """

    relation_labels = len(RELATIONS)

    def __init__(self, name: str, detector: Any, grids: Grids, side: int, regions: int) -> None:
        self.name, self.detector, self.grids = f"regions of {name}", detector, grids
        self.side, self.regions = side, regions

    @cached_property
    def digest(self) -> str:
        """Of both networks' weights and what is chosen."""
        chosen = {"regions": self.regions, "overlap": OVERLAP, "side": self.side}
        return digest([weights_digest(self.detector), self.grids.digest, chosen])

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        return self._of([Image.fromarray(image) for image in images])

    def of(self, dataset: CaptionDataset, rows: Sequence[int]) -> FeatureBatch:
        """Of photographs in their own size and shape."""
        originals = getattr(dataset, "originals", None)
        return self._of(originals(rows)) if originals else self(dataset.images(rows))

    @torch.no_grad()
    def _of(self, pictures: Sequence[Image.Image]) -> FeatureBatch:
        # One at a time: sizes differ, and padding would change the features.
        features, boxes, sizes = zip(*map(self._look, pictures), strict=True)
        exist = [torch.ones(len(at), dtype=torch.bool) for at in boxes]
        table, mask = (_filled(pad_sequence([*x], True), self.regions) for x in (boxes, exist))
        size = torch.stack(sizes)
        maps = self.grids(np.stack([square(picture, self.side) for picture in pictures]))
        return FeatureBatch(
            pooled=maps.float().mean((2, 3)),
            attributes=None,
            regions=_filled(pad_sequence([*features], True), self.regions),
            boxes=table / size.flip(1).repeat(1, 2)[:, None],
            relations=spatial_relations(table, mask, size),
            mask=mask,
        )

    def _look(self, picture: Image.Image) -> tuple[Tensor, Tensor, Tensor]:
        """Features `(n, 1024)` and boxes `(n, 4)` of regions, height and width `(2,)` there."""
        net, heads = self.detector, self.detector.roi_heads
        device = next(net.parameters()).device
        batch, _ = net.transform([to_tensor(picture).to(device)])
        size: tuple[int, int] = batch.image_sizes[0]
        maps = net.backbone(batch.tensors)
        proposals, _ = net.rpn(batch, maps)

        def describe(places: list[Tensor]) -> Tensor:
            found: Tensor = heads.box_head(heads.box_roi_pool(maps, places, [size]))
            return found

        logits, shifts = heads.box_predictor(describe(proposals))
        scores, label = logits.softmax(-1)[:, 1:].max(-1)
        moved = heads.box_coder.decode(shifts, proposals)
        boxes = clip_boxes_to_image(moved[torch.arange(len(label), device=device), label + 1], size)
        alive = ((boxes[:, 2:] - boxes[:, :2]).amin(-1) >= _LEAST_SIDE).nonzero().squeeze(1)
        chosen = boxes[alive[nms(boxes[alive], scores[alive], OVERLAP)][: self.regions]]
        # Described where they are, not where the proposals were that led to them.
        return describe([chosen]).cpu(), chosen.cpu(), torch.tensor(size)


def _filled(rows: Tensor, count: int) -> Tensor:
    """`(B, n, ...)` with zeros (False) up to N."""
    more = rows.new_zeros(rows.shape[0], count - rows.shape[1], *rows.shape[2:])
    return torch.cat([rows, more], dim=1)


def load_detector(name: str, weights: Path | None = None) -> Any:
    """A detector of torchvision, frozen, in evaluation mode.

    Args:
        weights: a state dict of it; default: torchvision's own of COCO, from its cache or its site.

    Raises:
        ConfigError: torchvision has no such detector.
        DataError: the file does not hold weights of it.
        MissingDependencyError: torchvision's weights are neither in its cache nor to be had.
    """
    if name not in DETECTORS:
        raise ConfigError(f"unknown detector '{name}'", f"use one of: {', '.join(DETECTORS)}")
    build = getattr(detection, name)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
        if weights is None:
            try:
                net = build(weights="DEFAULT")
            except OSError as error:  # URLError is one
                raise MissingDependencyError(
                    f"weights of {name} could not be obtained: {error}",
                    "download them where there is a network (torchvision names the file above), "
                    "and set data.detector_weights",
                ) from error
        else:
            net = build(weights=None, weights_backbone=None)
            _fill(net, name, weights)
    return net.eval().requires_grad_(False)


def _fill(net: Any, name: str, path: Path) -> None:
    tensors = read_tensors(path)[0]
    found, wanted = ({k: v.shape for k, v in x.items()} for x in (tensors, net.state_dict()))
    if wrong := misfit(found, wanted):
        fix = f"give a state dict of torchvision's {name}, trained on COCO's 91 labels"
        raise DataError(f"{path} does not hold weights of {name}:{wrong}", fix)
    net.load_state_dict(tensors)


def region_extractor(materials: Materials) -> RegionExtractor:
    """The extractor "regions" of a profile."""
    data: Any = materials.profile.data
    weights = data.detector_weights and in_place(data.detector_weights)
    detector = load_detector(data.detector, weights).to(materials.device)
    grids = Grids(data.network, None, materials.device)
    return RegionExtractor(data.detector, detector, grids, data.image_px, data.regions)


region_extractor.learns = True  # type: ignore[attr-defined]
