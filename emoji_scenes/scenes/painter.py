"""Paints a scene graph: background, things with soft shadows, weather in front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from emoji_scenes.scenes.backgrounds import VARIANTS, background
from emoji_scenes.scenes.catalogue import SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph, Thing
from emoji_scenes.scenes.sprites import sprite

_LIGHT = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.93, 0.86), "night": (0.86, 0.88, 0.97)}
"""Factor on the things' colours by time of day."""


def paint(scene: SceneGraph, size: int = 128) -> np.ndarray:
    """Pixels of a scene, uint8 RGB `(size, size, 3)`: a pure function of the scene graph."""
    rng = np.random.default_rng([scene.image_id, 7])
    variant = int(rng.integers(VARIANTS))
    indoors = SETTINGS[scene.setting].indoors
    canvas = background(scene.setting, scene.time, scene.weather, variant, size).copy()
    flip = bool(rng.integers(2))
    for thing in sorted(scene.things, key=_depth):
        _draw(canvas, thing, size, flip, "day" if indoors else scene.time)
    if scene.weather in ("rainy", "snowy"):
        _precipitate(canvas, scene.weather, rng, size)
    return np.asarray(canvas)


def contact_sheet(scenes: Sequence[SceneGraph], columns: int = 6, size: int = 128) -> np.ndarray:
    """Many scenes as one picture, row by row, with white gaps: uint8 RGB."""
    gap, rows = max(2, size // 32), -(-len(scenes) // columns)
    sheet = np.full((rows * (size + gap) + gap, columns * (size + gap) + gap, 3), 255, np.uint8)
    for number, scene in enumerate(scenes):
        top, left = (gap + (size + gap) * n for n in divmod(number, columns))
        sheet[top : top + size, left : left + size] = paint(scene, size)
    return sheet


def _depth(thing: Thing) -> float:
    """Things further up are further away; what hangs in the sky is behind everything."""
    return thing.box[3] - (1.0 if ENTITIES[thing.entity].placement == "sky" else 0.0)


def _draw(canvas: Image.Image, thing: Thing, size: int, flip: bool, time: str) -> None:
    entity = ENTITIES[thing.entity]
    left, top, right, bottom = (round(edge * size) for edge in thing.box)
    picture = sprite(entity.codepoint, entity.recolour, thing.colour)
    picture = picture.resize(
        (max(1, right - left), max(1, bottom - top)),
        Image.Resampling.BOX if size <= 96 else Image.Resampling.HAMMING,
    )
    if flip and entity.category in ("person", "animal", "vehicle"):
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if time != "day":
        bands = picture.split()
        lit = [
            b.point([round(v * f) for v in range(256)])
            for b, f in zip(bands, _LIGHT[time], strict=False)
        ]
        picture = Image.merge("RGBA", (*lit, bands[3]))
    if entity.placement in ("ground", "table"):
        _shadow(canvas, left, right, bottom, size)
    elif entity.placement == "water":
        _ripple(canvas, left, right, bottom, size)
    canvas.paste(picture, (left, top), picture)


def _shadow(canvas: Image.Image, left: int, right: int, bottom: int, size: int) -> None:
    """A soft dark ellipse where the thing touches the ground."""
    width, height = right - left, max(3, (right - left) // 6)
    blot = Image.new("L", (width + 4, height + 4), 0)
    ImageDraw.Draw(blot).ellipse((2, 2, width + 1, height + 1), fill=90)
    blot = blot.filter(ImageFilter.BoxBlur(max(1, size // 100)))
    top = min(bottom - height // 2 - 2, size - height - 4)
    canvas.paste((20, 20, 30), (left - 2, top), blot)


def _ripple(canvas: Image.Image, left: int, right: int, bottom: int, size: int) -> None:
    """Pale rings where the thing meets the water."""
    reach, height = max(2, (right - left) // 12), max(4, (right - left) // 7)
    rings = Image.new("L", (right - left + 2 * reach, height), 0)
    draw, width = ImageDraw.Draw(rings), max(1, round(size / 128))
    draw.ellipse((0, 0, rings.width - 1, height - 1), fill=60, outline=150, width=width)
    top = min(bottom - height // 2, size - height)
    canvas.paste((226, 240, 250), (left - reach, top), rings)


def _precipitate(canvas: Image.Image, weather: str, rng: np.random.Generator, size: int) -> None:
    """Rain streaks or snow flakes over everything, faint enough not to hide it."""
    layer = Image.new("L", canvas.size, 0)
    draw = ImageDraw.Draw(layer)
    unit = size / 128
    for x, y, s in rng.uniform(0, 1, (46, 3)):
        x, y = x * size, y * size
        if weather == "rainy":
            length = (4 + 5 * s) * unit
            draw.line((x, y, x - 0.35 * length, y + length), fill=120, width=max(1, round(unit)))
        else:
            radius = (0.6 + 0.9 * s) * unit
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=225)
    tone = (225, 236, 250) if weather == "rainy" else (255, 255, 255)
    canvas.paste(tone, (0, 0), layer)
