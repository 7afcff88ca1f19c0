"""Pictures of two kinds of shapes in two colours, with scene graphs: a world of one minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emoji_scenes.scenes.graph import SceneGraph, Thing
from emoji_scenes.training_scripts.detector_data import CachedMaps
from emoji_scenes.training_scripts.detector_losses import Target
from emoji_scenes.vision.faster_rcnn import Detector
from emoji_scenes.vision.heads import Labels

SIDE = 64
LABELS = Labels(
    entities=("cross", "square"),
    colours=("blue", "red"),
    scene={"setting": ("dark", "light"), "time": ("day",), "weather": ("clear",)},
)
_INK = {None: (120, 120, 120), "red": (230, 40, 30), "blue": (40, 60, 230)}


class Shapes:
    """`count` pictures of one or two shapes side by side (the interface of `ScenesDataset`)."""

    def __init__(self, count: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._scenes = [_scene(rng, index) for index in range(count)]

    def scene(self, index: int) -> SceneGraph:
        return self._scenes[index]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        return np.stack([_paint(self._scenes[i]) for i in indices])


def _scene(rng: np.random.Generator, index: int) -> SceneGraph:
    things = []
    for slot in range(int(rng.integers(1, 3))):
        side, x = int(rng.integers(18, 28)), 32 * slot + int(rng.integers(1, 4))
        y = int(rng.integers(1, SIDE - side))
        box = (x / SIDE, y / SIDE, (x + side) / SIDE, (y + side) / SIDE)
        colour = (None, "red", "blue")[int(rng.integers(3))]
        things.append(Thing(LABELS.entities[int(rng.integers(2))], colour, "small", box))
    setting = LABELS.scene["setting"][int(rng.integers(2))]
    return SceneGraph(index, index, setting, "day", "clear", 1, tuple(things), ())


def _paint(scene: SceneGraph) -> np.ndarray:
    picture = np.full((SIDE, SIDE, 3), 20 if scene.setting == "dark" else 240, np.uint8)
    for thing in scene.things:
        x0, y0, x1, y1 = (round(edge * SIDE) for edge in thing.box)
        third = (x1 - x0) // 3
        if thing.entity == "square":
            picture[y0:y1, x0:x1] = _INK[thing.colour]
        else:
            picture[y0 + third : y1 - third, x0:x1] = _INK[thing.colour]
            picture[y0:y1, x0 + third : x1 - third] = _INK[thing.colour]
    return picture


@dataclass(frozen=True)
class Learned:
    """A detector that saw the first `seen` shapes, and all shapes."""

    detector: Detector
    shapes: Shapes
    maps: CachedMaps
    targets: list[Target]
    seen: int
