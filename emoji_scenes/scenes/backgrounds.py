"""Painted places: sky, ground and a few props for every setting, time and weather."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from emoji_scenes.scenes.canvas import Canvas, Colour, mix
from emoji_scenes.scenes.catalogue import SETTINGS
from emoji_scenes.scenes.interiors import INTERIORS
from emoji_scenes.scenes.landscapes import LANDSCAPES
from emoji_scenes.scenes.layout import HORIZON

VARIANTS = 6
"""Different arrangements of the props of one setting."""

_SKY: dict[str, tuple[Colour, Colour]] = {
    "day": ((98, 178, 236), (214, 238, 250)),
    "sunset": ((116, 92, 158), (255, 190, 120)),
    "night": ((14, 22, 52), (52, 70, 118)),
}
_GREY: dict[str, tuple[Colour, Colour]] = {
    "day": ((138, 152, 168), (206, 214, 222)),
    "sunset": ((112, 96, 120), (216, 172, 144)),
    "night": ((24, 28, 44), (62, 70, 92)),
}
_TINT: dict[str, Colour] = {
    "day": (255, 255, 255),
    "sunset": (255, 214, 178),
    "night": (132, 144, 196),
}


@lru_cache(maxsize=2048)
def background(setting: str, time: str, weather: str, variant: int, size: int) -> Image.Image:
    """RGB picture of an empty place. Do not draw on it: copies are cached."""
    rng = np.random.default_rng([variant, *setting.encode()])
    canvas = Canvas(2 * size, HORIZON[setting], time, weather, rng)
    if SETTINGS[setting].indoors:
        INTERIORS[setting](canvas)
        return canvas.image.resize((size, size), Image.Resampling.BOX)
    _sky(canvas)
    ground = Canvas(2 * size, HORIZON[setting], time, weather, rng)
    ground.image = canvas.image.copy()
    ground.draw = ImageDraw.Draw(ground.image)
    LANDSCAPES[setting](ground)
    tinted = _tint(canvas.image, ground.image, _TINT[time], 0.88 if weather != "clear" else 1.0)
    return tinted.resize((size, size), Image.Resampling.BOX)


def _tint(sky: Image.Image, scene: Image.Image, tint: Colour, dim: float) -> Image.Image:
    """Light of the hour on everything that is not sky."""
    before, after = np.asarray(sky, np.float32), np.asarray(scene, np.float32)
    changed = np.abs(before - after).sum(-1, keepdims=True) > 0
    lit = after * (np.array(tint, np.float32) / 255) * dim
    return Image.fromarray(np.where(changed, lit, after).astype(np.uint8))


def _sky(canvas: Canvas) -> None:
    colours = _SKY if canvas.weather == "clear" else _GREY
    canvas.gradient(0, canvas.horizon + 0.08, *colours[canvas.time])
    if canvas.weather == "clear":
        _lights(canvas)
    clouds = {"clear": 1 if canvas.time == "day" else 0, "cloudy": 6, "rainy": 5, "snowy": 4}
    for _ in range(clouds[canvas.weather]):
        _cloud(canvas)


def _lights(canvas: Canvas) -> None:
    """Sun high or low, or moon and stars."""
    rng, horizon = canvas.rng, canvas.horizon
    x = rng.uniform(0.12, 0.88)
    if canvas.time == "night":
        for sx, sy in rng.uniform(0, 1, (26, 2)):
            canvas.disc(sx, sy * horizon * 0.95, 0.006, (250, 248, 225))
        canvas.disc(x, 0.13, 0.062, (250, 244, 206))
        canvas.disc(x + 0.028, 0.115, 0.05, mix(*_SKY["night"], 0.3))
    elif canvas.time == "sunset":
        canvas.disc(x, horizon * 0.8, 0.13, (255, 206, 132))
        canvas.disc(x, horizon * 0.8, 0.095, (255, 232, 160))
    else:
        canvas.disc(x, 0.12, 0.085, (206, 232, 240))
        canvas.disc(x, 0.12, 0.062, (255, 236, 120))


def _cloud(canvas: Canvas) -> None:
    rng = canvas.rng
    x, y, w = rng.uniform(0, 1), rng.uniform(0.04, canvas.horizon * 0.55), rng.uniform(0.1, 0.2)
    tone: Colour = {"day": (255, 255, 255), "sunset": (255, 224, 204), "night": (92, 102, 134)}[
        canvas.time
    ]
    if canvas.weather in ("cloudy", "rainy"):
        tone = mix(tone, (120, 128, 142), 0.35 if canvas.weather == "cloudy" else 0.6)
    for dx, dy, r in ((-0.5, 0.15, 0.5), (0.0, -0.1, 0.7), (0.5, 0.15, 0.5)):
        canvas.ellipse(
            x + dx * w - r * w,
            y + dy * w - r * w * 0.55,
            x + dx * w + r * w,
            y + dy * w + r * w * 0.55,
            tone,
        )
