"""Where things stand: boxes without clipping, floating or heavy overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emoji_scenes.scenes.catalogue import Entity
from emoji_scenes.scenes.graph import Box
from emoji_scenes.scenes.sprites import aspect

HORIZON: dict[str, float] = {
    "beach": 0.42,
    "sea": 0.38,
    "lake": 0.42,
    "park": 0.46,
    "street": 0.5,
    "city": 0.6,
    "forest": 0.5,
    "mountains": 0.55,
    "snow": 0.48,
    "desert": 0.5,
    "farm": 0.46,
    "garden": 0.52,
    "kitchen": 0.56,
    "restaurant": 0.54,
    "office": 0.56,
    "living_room": 0.6,
    "bedroom": 0.6,
    "gym": 0.58,
}
"""Height at which ground, water, floor or table begins, as a fraction from the top."""

MARGIN = 0.025
SIZE_FACTOR = {"small": 0.82, "medium": 1.0, "large": 1.18}
_OVERLAP = 0.12


@dataclass(frozen=True)
class Placed:
    """Boxes of the copies of the main thing and of each extra (None where there was no room)."""

    mains: tuple[Box, ...]
    extras: tuple[Box | None, ...]


def place(
    rng: np.random.Generator,
    setting: str,
    main: Entity,
    size: str,
    count: int,
    extras: Sequence[Entity],
) -> Placed:
    """Find a box for everything.

    Mains stand in the middle distance, extras around them; a thing that finds no free place
    in 40 tries is left out, but there is always one main thing.
    """
    height = main.height
    if main.placement == "sky":  # even a large one stays above the horizon
        height = min(height, (HORIZON[setting] - 2 * MARGIN) / SIZE_FACTOR["large"])
    height *= SIZE_FACTOR[size] * {1: 1.0, 2: 0.78, 3: 0.66}[count]
    boxes: list[Box] = []
    for copy in range(count):
        centre = 0.5 if count == 1 else (copy + 0.5) / count
        box = _find(rng, setting, main, height, boxes, centre, spread=0.22 if count == 1 else 0.06)
        if box is not None:
            boxes.append(box)
    mains = tuple(boxes) or (_draw(rng, setting, main, height, 0.5, 0.05),)
    boxes = list(mains)
    placed: list[Box | None] = []
    for entity in extras:
        scale = entity.height if "main" not in entity.roles else 0.6 * entity.height
        box = _find(rng, setting, entity, scale, boxes, 0.5, spread=0.5)
        if box is not None:
            boxes.append(box)
        placed.append(box)
    return Placed(mains, tuple(placed))


def _find(
    rng: np.random.Generator,
    setting: str,
    entity: Entity,
    height: float,
    taken: Sequence[Box],
    centre: float,
    spread: float,
) -> Box | None:
    for _ in range(40):
        box = _draw(rng, setting, entity, height, centre, spread)
        if all(_overlap(box, other) < _OVERLAP for other in taken):
            return box
    return None


def _draw(
    rng: np.random.Generator,
    setting: str,
    entity: Entity,
    height: float,
    centre: float,
    spread: float,
) -> Box:
    """One random box that keeps to the picture and to where its kind of thing belongs."""
    horizon = HORIZON[setting]
    if entity.placement == "sky":
        bottom = rng.uniform(height + MARGIN, horizon - MARGIN / 2)
    else:
        # Nearer things stand lower in the picture and look larger.
        depth = rng.uniform(0.25, 1.0)
        bottom = horizon + 0.04 + depth * (1 - MARGIN - horizon - 0.04)
        height *= 0.86 + 0.2 * depth
    width = height * aspect(entity.codepoint)
    widest = min(0.9, 1.9 * entity.height)
    if width > widest:
        height, width = height * widest / width, widest
    bottom = max(bottom, height + MARGIN)
    reach = np.clip(
        rng.uniform(centre - spread, centre + spread), MARGIN + width / 2, 1 - MARGIN - width / 2
    )
    return (
        float(reach - width / 2),
        float(bottom - height),
        float(reach + width / 2),
        float(bottom),
    )


def _overlap(a: Box, b: Box) -> float:
    """Intersection over the smaller area: a small thing must not vanish behind a large one."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return width * height / smaller
