"""What the detector learns from: trunk maps computed once, and targets read off scene graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.training_scripts.detector_losses import Target
from emoji_scenes.vision.heads import Labels
from emoji_scenes.vision.trunk import STRIDE8, STRIDE16, Trunk, TrunkMaps
from gegcore.progress import track


class Scenes(Protocol):
    """Pictures with scene graphs; `ScenesDataset` is one."""

    def scene(self, index: int) -> SceneGraph: ...

    def images(self, indices: Sequence[int]) -> np.ndarray: ...


@dataclass(frozen=True)
class CachedMaps:
    """Trunk maps of many pictures on disk, half precision, channels last.

    Attributes:
        stride8: `(n, H/8, W/8, 40)`.
        stride16: `(n, H/16, W/16, 112)`.
    """

    stride8: np.memmap
    stride16: np.memmap

    def batch(self, indices: np.ndarray) -> TrunkMaps:
        """Maps of the pictures at `indices` as float32; `pooled` is empty."""
        fine, coarse = (
            torch.from_numpy(array[indices]).float().permute(0, 3, 1, 2)
            for array in (self.stride8, self.stride16)
        )
        return TrunkMaps(fine, coarse, torch.empty(len(indices), 0))


def cache_maps(
    scenes: Scenes, count: int, trunk: Trunk, folder: Path, size: int = 64
) -> CachedMaps:
    """Paint the first `count` scenes and run the trunk over them, once."""
    files: list[np.memmap] = []
    for start in track(range(0, count, size), "trunk maps"):
        rows = list(range(start, min(start + size, count)))
        maps = trunk(scenes.images(rows))
        if not files:
            for name, channels, like in (
                ("stride8", STRIDE8, maps.stride8),
                ("stride16", STRIDE16, maps.stride16),
            ):
                shape = (count, *like.shape[2:], channels)
                files.append(
                    np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, shape)
                )
        for file, like in zip(files, maps, strict=False):
            file[rows] = like.permute(0, 2, 3, 1).cpu().numpy()
    return CachedMaps(files[0], files[1])


def target_of(scene: SceneGraph, labels: Labels, size: tuple[int, int]) -> Target:
    """Boxes in pixels, classes, colours and kind of a scene.

    Args:
        scene: the truth.
        labels: the detector's names.
        size: height and width of the picture in pixels.
    """
    height, width = size
    things = scene.things
    boxes = torch.tensor([thing.box for thing in things], dtype=torch.float32)
    colours = [labels.colours.index(t.colour) + 1 if t.colour else 0 for t in things]
    values = {"setting": scene.setting, "time": scene.time, "weather": scene.weather}
    return Target(
        boxes=boxes * torch.tensor([width, height, width, height]),
        labels=torch.tensor([labels.entities.index(t.entity) + 1 for t in things]),
        colours=torch.tensor(colours),
        scene=torch.tensor([names.index(values[k]) for k, names in labels.scene.items()]),
    )


def shuffled(
    count: int, batch: int, epochs: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Index batches of `epochs` passes in random order; a last incomplete batch is left out."""
    for _ in range(epochs):
        order = generator.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield np.sort(order[start : start + batch])
