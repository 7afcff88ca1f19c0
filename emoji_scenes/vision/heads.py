"""The trainable parts of the detector: a neck over the frozen trunk and heads on its regions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from torch import Tensor, cat, nn
from torch.nn import functional as F
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from emoji_scenes.vision.trunk import STRIDE8, STRIDE16, TrunkMaps

NECK, REGION = 96, 256
"""Channels of the neck's map; width of a region feature."""

POOL = 5
"""Cells along each side of a pooled region."""

_CLASS_EMBEDDING = 64


@dataclass(frozen=True)
class Labels:
    """The names behind the detector's outputs; index 0 of classes is the background.

    Attributes:
        entities: kinds of things; class c is `entities[c - 1]`.
        colours: given colours; colour k is `colours[k - 1]`, 0 means natural colours.
        scene: what is said of a whole picture, e.g. {"setting": ..., "time": ..., "weather": ...}.
    """

    entities: tuple[str, ...]
    colours: tuple[str, ...]
    scene: dict[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Labels:
        scene = {name: tuple(values) for name, values in data["scene"].items()}
        return Labels(tuple(data["entities"]), tuple(data["colours"]), scene)


class Neck(nn.Module):
    """Merge stride 8 (where things are) and upsampled stride 16 (what they are): `(B, 96, h, w)`.

    Source: the top-down pathway of feature pyramid networks (Lin et al. 2017), one level of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(STRIDE8, NECK, 1)
        self.coarse = nn.Conv2d(STRIDE16, NECK, 1)
        self.smooth = nn.Conv2d(NECK, NECK, 3, padding=1)

    def forward(self, maps: TrunkMaps) -> Tensor:
        coarse = F.interpolate(self.coarse(maps.stride16), size=maps.stride8.shape[-2:])
        merged = F.relu(self.fine(maps.stride8) + coarse)
        return F.relu(self.smooth(merged))


class RegionOutput(NamedTuple):
    """For R regions: `features (R, 256)`, `classes (R, 1 + entities)` logits, `shifts (R, 4)`."""

    features: Tensor
    classes: Tensor
    shifts: Tensor


class RegionHead(nn.Module):
    """Pool regions of the neck's map and say what they are, where exactly, and of what colour.

    As in bottom-up attention (Anderson et al. 2018, Sec. 3.1) the attribute is predicted from the
    region feature and an embedding of the class, so that the feature carries attributes; box
    shifts are shared by all classes, which small training sets need. The whole picture is a region
    like any other, and its feature also answers what kind of scene it is.
    """

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.pool = MultiScaleRoIAlign(["map"], output_size=POOL, sampling_ratio=1)
        self.body = TwoMLPHead(NECK * POOL * POOL, REGION)
        self.classes = nn.Linear(REGION, 1 + len(labels.entities))
        self.shifts = nn.Linear(REGION, 4)
        self.class_embedding = nn.Embedding(1 + len(labels.entities), _CLASS_EMBEDDING)
        self.colour_hidden = nn.Linear(REGION + _CLASS_EMBEDDING, REGION // 2)
        self.colours = nn.Linear(REGION // 2, 1 + len(labels.colours))
        self.scene = nn.ModuleDict(
            {name: nn.Linear(REGION, len(values)) for name, values in labels.scene.items()}
        )

    def features(self, neck: Tensor, boxes: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Region features of `boxes` (one `(n, 4)` tensor an image, in pixels): `(R, 256)`."""
        pooled: Tensor = self.body(self.pool({"map": neck}, boxes, [size] * len(neck)))
        return pooled

    def forward(self, neck: Tensor, boxes: list[Tensor], size: tuple[int, int]) -> RegionOutput:
        features = self.features(neck, boxes, size)
        return RegionOutput(features, self.classes(features), self.shifts(features))

    def colour_logits(self, features: Tensor, classes: Tensor) -> Tensor:
        """Colours of regions, given what they are: `(R, 256)`, `(R,)` -> `(R, 1 + colours)`."""
        joint = cat([features, self.class_embedding(classes)], dim=-1)
        logits: Tensor = self.colours(F.relu(self.colour_hidden(joint)))
        return logits

    def scene_logits(self, features: Tensor) -> dict[str, Tensor]:
        """What kind of scene whole pictures are: `(B, 256)` -> name -> `(B, values)`."""
        return {name: head(features) for name, head in self.scene.items()}
