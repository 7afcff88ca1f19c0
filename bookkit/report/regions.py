"""A scene with the regions that the detector found in it, sharp, with labels that can be read."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from bookkit.report.style import Panel
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.painter import paint

SIDE = 512
"""Pixels of the painted scene; captioners and CLIP get 128."""

Box = tuple[float, float, float, float]


def region_panel(scene: SceneGraph, boxes: Sequence[Box], names: Sequence[str]) -> Panel:
    """A scene, a frame around each region, and its name at the lower edge.

    Args:
        boxes: x0, y0, x1, y1 of each region, from 0 to 1.
        names: of the regions.
    """
    figure, axes = plt.subplots(figsize=(3.9, 3.9))
    axes.imshow(paint(scene, SIDE), extent=(0, 1, 1, 0))
    axes.axis("off")
    taken: list[Bbox] = []
    for i, ((x0, y0, x1, y1), name) in enumerate(zip(boxes, names, strict=True)):
        tint = f"C{i % 6}"
        axes.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=tint, lw=2))
        taken.append(_label(axes, (x0 + x1) / 2, y1, name, tint, taken))
    return Panel(figure, f"An image with its regions: {', '.join(names) or 'none'}.")


def _label(axes: Axes, x: float, y: float, name: str, tint: str, taken: Sequence[Bbox]) -> Bbox:
    """Write a name inside the picture, up from y until it covers no other; returns its place."""
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    text = axes.text(x, y, name, color=tint, ha="center", va="center", fontsize=8.5, bbox=white)
    picture = axes.get_window_extent()
    place = text.get_window_extent().padded(2)
    half = place.width / picture.width / 2
    text.set_x(min(max(x, half), 1 - half))
    for step in range(40):
        at = y - 0.025 * step
        text.set_y(min(max(at, 0.03), 0.97))
        place = text.get_window_extent().padded(2)
        if at < 0.03 or not any(place.overlaps(other) for other in taken):
            break
    return place
