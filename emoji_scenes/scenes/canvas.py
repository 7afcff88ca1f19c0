"""A square picture with coordinates from 0 to 1 and the few shapes that backgrounds need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with a share of `b` in it."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


class Canvas:
    """What a background is painted on.

    Attributes:
        horizon: where the ground begins, 0 top to 1 bottom.
        time, weather: of the scene.
        rng: for the arrangement of props.
    """

    def __init__(
        self, pixels: int, horizon: float, time: str, weather: str, rng: np.random.Generator
    ) -> None:
        self.pixels, self.horizon, self.time, self.weather, self.rng = (
            pixels,
            horizon,
            time,
            weather,
            rng,
        )
        self.image = Image.new("RGB", (pixels, pixels), (255, 255, 255))
        self.draw = ImageDraw.Draw(self.image)

    def gradient(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        """Horizontal band from one colour to another."""
        first, last = round(top * self.pixels), max(round(bottom * self.pixels), 1)
        for y in range(first, min(last, self.pixels)):
            share = (y - first) / max(1, last - first - 1)
            self.draw.line((0, y, self.pixels, y), fill=mix(above, below, share))

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.draw.rectangle([round(v * self.pixels) for v in (x0, y0, x1, y1)], fill=colour)

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.draw.ellipse([round(v * self.pixels) for v in (x0, y0, x1, y1)], fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        self.ellipse(x - radius, y - radius, x + radius, y + radius, colour)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        self.draw.polygon([(x * self.pixels, y * self.pixels) for x, y in points], fill=colour)

    def line(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float
    ) -> None:
        ends = [v * self.pixels for v in (x0, y0, x1, y1)]
        self.draw.line(ends, fill=colour, width=max(1, round(width * self.pixels)))

    def ridge(self, base: float, height: float, waves: float, colour: Colour) -> None:
        """Soft hills standing on `base`, filled down to the bottom."""
        phase = self.rng.uniform(0, 6.28, 2)
        xs = np.linspace(0, 1, 33)
        ys = base - height * (
            0.5
            + 0.3 * np.sin(waves * 6.28 * xs + phase[0])
            + 0.2 * np.sin(2.3 * waves * 6.28 * xs + phase[1])
        )
        points = [(0.0, 1.0), *zip(xs.tolist(), ys.tolist(), strict=True), (1.0, 1.0)]
        self.polygon(points, colour)
