"""A Faster R-CNN on the frozen trunk: proposals, detections, region features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import batched_nms, clip_boxes_to_image

from emoji_scenes.vision.heads import NECK, REGION, Labels, Neck, RegionHead, RegionOutput
from emoji_scenes.vision.trunk import TrunkMaps

STRIDE = 8
ANCHOR_SIZES = (20, 28, 38, 54, 76)
"""Sides of the anchors in pixels; things here are 20 to 100 of a picture's 128 pixels."""

ANCHOR_RATIOS = (0.6, 1.0, 1.7)
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Scale of the box shifts x, y, w, h (torchvision's)."""

_MIN_SIDE = 4.0
"""Boxes thinner than this many pixels are no things."""


@dataclass(frozen=True)
class Thresholds:
    """What counts as a detection.

    Attributes:
        regions: N, regions per image, the whole picture included.
        score: least probability of the best class.
        overlap: of two boxes that overlap more (IoU), whatever their classes, the better stays.
    """

    regions: int = 12
    score: float = 0.1
    overlap: float = 0.4


@dataclass(frozen=True)
class Detections:
    """What was seen in B pictures; N regions each, the first is the whole picture.

    Attributes:
        boxes: `(B, N, 4)` x0, y0, x1, y1 in pixels.
        features: `(B, N, 256)`.
        labels: `(B, N)` class of each region, 0 for the whole picture and padding.
        colours: `(B, N)` colour of each region, 0 for natural colours.
        scores: `(B, N)` probability of that class, descending; 1 for the whole picture.
        scene: name -> `(B,)` value index of the whole picture.
        mask: `(B, N)` bool, False for padding.
    """

    boxes: Tensor
    features: Tensor
    labels: Tensor
    colours: Tensor
    scores: Tensor
    scene: dict[str, Tensor]
    mask: Tensor


class Detector(nn.Module):
    """Neck, proposals and region head over trunk maps (the trunk itself is not a part of it).

    Source: Faster R-CNN (Ren et al. 2015) out of torchvision's parts; regions and attributes as in
    bottom-up attention (Anderson et al. 2018).
    """

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels = labels
        self.coder = BoxCoder(BOX_WEIGHTS)
        self.neck = Neck()
        anchors = AnchorGenerator((ANCHOR_SIZES,), (ANCHOR_RATIOS,))
        self.rpn = RegionProposalNetwork(
            anchors,
            RPNHead(NECK, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.6,
            bg_iou_thresh=0.3,
            batch_size_per_image=128,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 300, "testing": 120},
            post_nms_top_n={"training": 80, "testing": 40},
            nms_thresh=0.7,
        )
        self.head = RegionHead(labels)

    def propose(
        self, maps: TrunkMaps, targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
        """The neck's map, proposals in pixels (one `(n, 4)` tensor an image), losses if training.

        Args:
            maps: of the trunk.
            targets: per image, "boxes" `(n, 4)` in pixels; for training only.
        """
        neck = self.neck(maps)
        height, width = size = picture_size(maps)
        # The anchor generator reads nothing of the pictures but their shape.
        shape_only = neck.new_zeros(1).expand(len(neck), 3, height, width)
        images = ImageList(shape_only, [size] * len(neck))
        proposals, losses = self.rpn(images, {"map": neck}, targets)
        return neck, proposals, losses

    @torch.no_grad()
    def detect(self, maps: TrunkMaps, thresholds: Thresholds | None = None) -> Detections:
        """Things in the pictures, by descending score, after the whole picture itself."""
        limits = thresholds or Thresholds()
        size = picture_size(maps)
        neck, proposals, _ = self.propose(maps)
        output = self.head(neck, proposals, size)
        image = torch.repeat_interleave(
            torch.arange(len(neck), device=neck.device),
            torch.tensor([len(p) for p in proposals], device=neck.device),
        )
        boxes, scores = self._refine(torch.cat(proposals), output, size)
        chosen = self._choose(boxes, scores, image, limits)
        slot = _rank(image[chosen], len(neck))
        chosen, slot = chosen[slot < limits.regions - 1], slot[slot < limits.regions - 1]
        return self._describe(neck, boxes[chosen], image[chosen], slot + 1, limits.regions, size)

    def _refine(
        self, proposals: Tensor, output: RegionOutput, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Boxes moved to where the head says, and the probability of their best class."""
        boxes = self.coder.decode_single(output.shifts, proposals)
        scores = output.classes.softmax(-1)[:, 1:].amax(-1)
        return clip_boxes_to_image(boxes, size), scores

    @staticmethod
    def _choose(boxes: Tensor, scores: Tensor, image: Tensor, limits: Thresholds) -> Tensor:
        """Indices of the boxes that stay, by descending score over all images."""
        sides = (boxes[:, 2:] - boxes[:, :2]).amin(-1)
        alive = torch.nonzero((scores > limits.score) & (sides > _MIN_SIDE)).squeeze(1)
        keep = batched_nms(boxes[alive], scores[alive], image[alive], limits.overlap)
        return alive[keep]

    def _describe(
        self,
        neck: Tensor,
        boxes: Tensor,
        image: Tensor,
        slot: Tensor,
        n: int,
        size: tuple[int, int],
    ) -> Detections:
        """Look at the chosen boxes themselves, not at the proposals that led to them."""
        count, device = len(neck), neck.device
        table = torch.zeros(count, n, 4, device=device)
        mask = torch.zeros(count, n, dtype=torch.bool, device=device)
        table[:, 0] = whole_picture(size, device)
        mask[:, 0] = True
        table[image, slot] = boxes
        mask[image, slot] = True
        flat = self.head.features(neck, list(table[mask].split(mask.sum(1).tolist())), size)
        probability, label = self.head.classes(flat).softmax(-1)[:, 1:].max(-1)
        colour = self.head.colour_logits(flat, label + 1).argmax(-1)
        features = torch.zeros(count, n, REGION, device=device)
        features[mask] = flat
        labels, colours = (torch.zeros(count, n, dtype=torch.long, device=device) for _ in "lc")
        scores = torch.zeros(count, n, device=device)
        labels[mask], colours[mask], scores[mask] = label + 1, colour, probability
        labels[:, 0], colours[:, 0], scores[:, 0] = 0, 0, 1.0
        scene = self.head.scene_logits(features[:, 0])
        values = {name: logits.argmax(-1) for name, logits in scene.items()}
        return Detections(table, features, labels, colours, scores, values, mask)


def picture_size(maps: TrunkMaps) -> tuple[int, int]:
    """Height and width in pixels of the pictures behind trunk maps."""
    return maps.stride8.shape[-2] * STRIDE, maps.stride8.shape[-1] * STRIDE


def whole_picture(size: tuple[int, int], device: torch.device) -> Tensor:
    """The box `(4,)` around everything, in pixels."""
    height, width = size
    return torch.tensor([0.0, 0.0, width, height], device=device)


def _rank(image: Tensor, count: int) -> Tensor:
    """Position of each row among the rows of its image, in the given order: `(R,)` -> `(R,)`."""
    order = torch.argsort(image, stable=True)
    sizes = torch.bincount(image, minlength=count)
    starts = (sizes.cumsum(0) - sizes)[image[order]]
    rank = torch.empty_like(image)
    rank[order] = torch.arange(len(image), device=image.device) - starts
    return rank
