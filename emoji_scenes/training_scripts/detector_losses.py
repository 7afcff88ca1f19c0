"""What the detector is trained for: proposals, classes, boxes, colours and scenes at once."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher
from torchvision.ops import box_iou

from emoji_scenes.vision.faster_rcnn import Detector, picture_size, whole_picture
from emoji_scenes.vision.trunk import TrunkMaps

SAMPLES, POSITIVE = 48, 0.4
"""Regions per image that the head is trained on, and how many of them may show a thing."""

_FOREGROUND_IOU = 0.5
_SMOOTH_L1_BETA = 1 / 9
"""torchvision's, for box shifts."""


class Target(TypedDict):
    """The truth about one picture.

    boxes `(n, 4)` in pixels, labels `(n,)` classes from 1, colours `(n,)` from 1 or 0 for natural
    colours, scene `(S,)` value indices in the order of the detector's scene labels.
    """

    boxes: Tensor
    labels: Tensor
    colours: Tensor
    scene: Tensor


class Sampled(TypedDict):
    """Regions of one picture to learn from: boxes `(r, 4)`, labels, colours and truth `(r, 4)`."""

    boxes: Tensor
    labels: Tensor
    colours: Tensor
    truth: Tensor


def detector_losses(
    detector: Detector, maps: TrunkMaps, targets: list[Target]
) -> dict[str, Tensor]:
    """Loss terms by name; their sum is what is minimised.

    Source: Ren et al. 2015, Eq. 1 (proposals, classes, boxes); Anderson et al. 2018, Sec. 3.1
    (attributes); the scene terms are ours.
    """
    rpn_targets = [{"boxes": target["boxes"]} for target in targets]
    neck, proposals, rpn = detector.propose(maps, rpn_targets)
    size = picture_size(maps)
    sampled = [_sample(p, t) for p, t in zip(proposals, targets, strict=True)]
    whole = whole_picture(size, neck.device)[None]
    boxes = [torch.cat([whole, s["boxes"]]) for s in sampled]
    output = detector.head(neck, boxes, size)
    is_whole = torch.cat([torch.arange(len(b), device=neck.device) == 0 for b in boxes])

    labels, colours, truth, regions = (
        torch.cat([s[key] for s in sampled]) for key in ("labels", "colours", "truth", "boxes")
    )
    positive = labels > 0
    shifts = detector.coder.encode_single(truth[positive], regions[positive])
    features = output.features[~is_whole][positive]
    guessed = output.shifts[~is_whole][positive]
    box_loss = F.smooth_l1_loss(guessed, shifts, beta=_SMOOTH_L1_BETA, reduction="sum")
    losses = {
        "proposal": rpn["loss_objectness"],
        "proposal_box": rpn["loss_rpn_box_reg"],
        "class": F.cross_entropy(output.classes[~is_whole], labels),
        "box": box_loss / max(len(labels), 1),
        "colour": F.cross_entropy(
            detector.head.colour_logits(features, labels[positive]), colours[positive]
        ),
    }
    scene = torch.stack([target["scene"] for target in targets])
    logits = detector.head.scene_logits(output.features[is_whole])
    for column, name in enumerate(detector.labels.scene):
        losses[name] = F.cross_entropy(logits[name], scene[:, column])
    return losses


_MATCHER = Matcher(_FOREGROUND_IOU, _FOREGROUND_IOU, allow_low_quality_matches=False)
_SAMPLER = BalancedPositiveNegativeSampler(SAMPLES, POSITIVE)


def _sample(proposals: Tensor, target: Target) -> Sampled:
    """A balanced draw of proposals (and the true boxes) with what they show."""
    proposals = torch.cat([proposals.detach(), target["boxes"]])
    match = _MATCHER(box_iou(target["boxes"], proposals))
    nearest = match.clamp(min=0)
    labels = torch.where(match >= 0, target["labels"][nearest], 0)
    positive, negative = _SAMPLER([labels])
    keep = torch.nonzero(positive[0] | negative[0]).squeeze(1)
    nearest, labels = nearest[keep], labels[keep]
    colours = torch.where(labels > 0, target["colours"][nearest], 0)
    return Sampled(
        boxes=proposals[keep], labels=labels, colours=colours, truth=target["boxes"][nearest]
    )
