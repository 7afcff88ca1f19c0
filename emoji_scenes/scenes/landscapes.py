"""Outdoor places: everything below the sky."""

from __future__ import annotations

from collections.abc import Callable

from emoji_scenes.scenes.canvas import Canvas, Colour, mix

GRASS: tuple[Colour, Colour] = ((142, 196, 92), (96, 158, 66))
WATER: tuple[Colour, Colour] = ((92, 172, 214), (38, 110, 170))


def _trees(c: Canvas, base: float, count: int, height: float, colour: Colour) -> None:
    """A row of distant round trees."""
    for x in c.rng.uniform(0, 1, count):
        h = height * c.rng.uniform(0.7, 1.2)
        c.rect(x - 0.008, base - h * 0.5, x + 0.008, base, (116, 84, 58))
        c.disc(x, base - h * 0.75, h * 0.42, mix(colour, (255, 255, 255), c.rng.uniform(0, 0.15)))


def _pines(c: Canvas, base: float, count: int, height: float, colour: Colour) -> None:
    for x in sorted(c.rng.uniform(-0.02, 1.02, count)):
        h = height * c.rng.uniform(0.65, 1.25)
        tone = mix(colour, (255, 255, 255), c.rng.uniform(0, 0.14))
        c.rect(x - 0.008, base - 0.03, x + 0.008, base + 0.01, (92, 70, 52))
        for level in range(3):
            top = base - h + level * h * 0.24
            half = h * (0.16 + 0.07 * level)
            c.polygon([(x, top), (x - half, top + h * 0.42), (x + half, top + h * 0.42)], tone)


def _peaks(c: Canvas, base: float, height: float, colour: Colour, snow: bool) -> None:
    """Overlapping mountains with white tops."""
    for x in (0.08, 0.36, 0.66, 0.95):
        x += c.rng.uniform(-0.09, 0.09)
        h = height * c.rng.uniform(0.65, 1.1)
        half = h * c.rng.uniform(0.75, 1.05)
        c.polygon(
            [(x - half, base), (x, base - h), (x + half, base)],
            mix(colour, (40, 50, 80), c.rng.uniform(0, 0.25)),
        )
        if snow:
            c.polygon(
                [
                    (x - half * 0.3, base - h * 0.7),
                    (x, base - h),
                    (x + half * 0.3, base - h * 0.7),
                    (x + half * 0.1, base - h * 0.62),
                    (x - half * 0.08, base - h * 0.66),
                ],
                (246, 250, 253),
            )


def _houses(c: Canvas, base: float, lowest: float, highest: float, tones: list[Colour]) -> None:
    """A row of buildings with windows, lit at night."""
    x = -0.04
    glow: Colour = (255, 232, 140) if c.time == "night" else (214, 232, 242)
    while x < 1.0:
        w, h = c.rng.uniform(0.13, 0.21), c.rng.uniform(lowest, highest)
        c.rect(x, base - h, x + w, base, tones[int(c.rng.integers(len(tones)))])
        for row in range(int(h / 0.075)):
            for column in range(3):
                wx, wy = x + w * (0.16 + 0.28 * column), base - h + 0.03 + row * 0.07
                if wy + 0.035 < base and c.rng.random() < 0.85:
                    c.rect(wx, wy, wx + w * 0.15, wy + 0.032, glow)
        x += w + 0.006


def _waves(c: Canvas, top: float, count: int) -> None:
    for _ in range(count):
        x, y = c.rng.uniform(0, 1), c.rng.uniform(top + 0.03, 0.98)
        w = 0.03 + 0.06 * (y - top)
        c.line(x - w, y, x + w, y, (206, 232, 244), 0.006)


def beach(c: Canvas) -> None:
    c.gradient(c.horizon, c.horizon + 0.15, *WATER)
    for y in (c.horizon + 0.05, c.horizon + 0.1):
        c.line(0, y, 1, y, (190, 224, 240), 0.005)
    c.gradient(c.horizon + 0.14, 1, (248, 226, 170), (230, 196, 130))
    c.ridge(c.horizon + 0.17, 0.03, 1.4, (250, 232, 184))
    c.gradient(c.horizon + 0.2, 1, (246, 222, 164), (228, 194, 128))
    for x, y in c.rng.uniform(0, 1, (18, 2)):
        c.disc(x, c.horizon + 0.24 + y * (0.74 - c.horizon), 0.005, (214, 178, 116))


def sea(c: Canvas) -> None:
    c.gradient(c.horizon, 1, (70, 156, 208), (22, 84, 150))
    _waves(c, c.horizon, 26)


def lake(c: Canvas) -> None:
    _peaks(c, c.horizon, 0.24, (128, 146, 172), snow=True)
    c.rect(0, c.horizon - 0.03, 1, c.horizon, (96, 146, 84))
    _pines(c, c.horizon, 16, 0.1, (56, 112, 72))
    c.gradient(c.horizon, 1, (130, 196, 216), (56, 134, 172))
    _waves(c, c.horizon, 12)
    for x in c.rng.uniform(0, 1, 7):
        c.line(x, 1.0, x + 0.012, 0.9, (74, 128, 66), 0.009)


def park(c: Canvas) -> None:
    c.ridge(c.horizon + 0.02, 0.1, 0.9, (124, 180, 102))
    _trees(c, c.horizon + 0.03, 9, 0.17, (78, 144, 76))
    c.gradient(c.horizon + 0.02, 1, *GRASS)
    c.polygon(
        [(0.36, 1), (0.7, 1), (0.56, c.horizon + 0.02), (0.53, c.horizon + 0.02)], (222, 202, 160)
    )


def street(c: Canvas) -> None:
    _houses(
        c,
        c.horizon,
        0.18,
        0.36,
        [(206, 132, 104), (226, 190, 142), (178, 148, 160), (152, 168, 178)],
    )
    c.rect(0, c.horizon, 1, c.horizon + 0.05, (196, 194, 190))
    c.gradient(c.horizon + 0.05, 1, (122, 124, 130), (94, 96, 102))
    y = c.horizon + 0.27
    for x in (0.02, 0.27, 0.52, 0.77):
        c.rect(x, y, x + 0.14, y + 0.018, (244, 236, 190))


def city(c: Canvas) -> None:
    _houses(
        c, c.horizon, 0.2, 0.52, [(120, 138, 162), (148, 156, 172), (98, 116, 146), (170, 164, 168)]
    )
    c.gradient(c.horizon, 1, (206, 200, 190), (176, 170, 162))
    for k in range(-4, 9):
        c.line(0.5 + 0.1 * (k - 2), c.horizon, 0.5 + 0.28 * (k - 2), 1, (190, 184, 174), 0.004)
    for y in (c.horizon + 0.09, c.horizon + 0.22):
        c.line(0, y, 1, y, (190, 184, 174), 0.004)


def forest(c: Canvas) -> None:
    _pines(c, c.horizon + 0.02, 16, 0.34, (76, 128, 96))
    _pines(c, c.horizon + 0.05, 9, 0.42, (44, 98, 66))
    c.gradient(c.horizon + 0.03, 1, (122, 138, 74), (84, 100, 52))
    for x, y in c.rng.uniform(0, 1, (14, 2)):
        y = c.horizon + 0.08 + y * (0.9 - c.horizon)
        c.line(x, y, x + 0.008, y - 0.025, (96, 140, 66), 0.006)


def mountains(c: Canvas) -> None:
    _peaks(c, c.horizon + 0.02, 0.4, (138, 148, 176), snow=True)
    c.ridge(c.horizon + 0.03, 0.08, 1.2, (126, 166, 112))
    c.gradient(c.horizon + 0.06, 1, (156, 188, 106), (116, 154, 78))
    for x, y in c.rng.uniform(0, 1, (9, 2)):
        c.disc(x, c.horizon + 0.12 + y * (0.85 - c.horizon), 0.009, (168, 166, 160))


def snow(c: Canvas) -> None:
    c.ridge(c.horizon, 0.14, 0.7, (214, 228, 242))
    _pines(c, c.horizon, 10, 0.17, (82, 124, 118))
    c.ridge(c.horizon + 0.08, 0.1, 0.5, (236, 243, 250))
    c.gradient(c.horizon + 0.09, 1, (238, 244, 250), (206, 220, 236))


def desert(c: Canvas) -> None:
    c.ridge(c.horizon + 0.03, 0.16, 0.6, (222, 164, 100))
    c.ridge(c.horizon + 0.1, 0.12, 0.9, (234, 182, 112))
    c.gradient(c.horizon + 0.1, 1, (240, 196, 126), (216, 158, 88))
    for y in (0.7, 0.8, 0.92):
        x = c.rng.uniform(0, 0.6)
        c.line(x, y, x + 0.25, y + 0.012, (222, 168, 100), 0.008)


def farm(c: Canvas) -> None:
    c.ridge(c.horizon + 0.02, 0.1, 0.7, (150, 190, 96))
    x, base = c.rng.uniform(0.06, 0.74), c.horizon + 0.03
    c.rect(x, base - 0.12, x + 0.19, base, (186, 66, 54))
    c.polygon(
        [
            (x - 0.015, base - 0.115),
            (x + 0.04, base - 0.19),
            (x + 0.15, base - 0.19),
            (x + 0.205, base - 0.115),
        ],
        (122, 80, 66),
    )
    c.rect(x + 0.07, base - 0.075, x + 0.12, base, (244, 232, 214))
    c.gradient(c.horizon + 0.02, 1, (196, 206, 100), (134, 172, 72))
    for k in range(9):
        c.line(
            0.5 + 0.09 * (k - 4), c.horizon + 0.03, 0.5 + 0.3 * (k - 4), 1, (168, 186, 82), 0.009
        )


def garden(c: Canvas) -> None:
    _trees(c, c.horizon, 7, 0.24, (92, 158, 88))
    c.rect(0, c.horizon - 0.03, 1, c.horizon + 0.04, (104, 162, 86))
    for k in range(12):
        x = k / 11.5
        c.rect(x, c.horizon - 0.12, x + 0.05, c.horizon + 0.05, (236, 222, 196))
        c.polygon(
            [(x, c.horizon - 0.12), (x + 0.025, c.horizon - 0.15), (x + 0.05, c.horizon - 0.12)],
            (236, 222, 196),
        )
    c.rect(0, c.horizon - 0.07, 1, c.horizon - 0.05, (208, 190, 158))
    c.gradient(c.horizon + 0.04, 1, (156, 204, 104), (108, 168, 76))
    for x, y in c.rng.uniform(0, 1, (12, 2)):
        tone: Colour = ((244, 152, 178), (252, 222, 110), (246, 246, 246))[int(c.rng.integers(3))]
        c.disc(x, c.horizon + 0.09 + y * (0.88 - c.horizon), 0.008, tone)


LANDSCAPES: dict[str, Callable[[Canvas], None]] = {
    "beach": beach,
    "sea": sea,
    "lake": lake,
    "park": park,
    "street": street,
    "city": city,
    "forest": forest,
    "mountains": mountains,
    "snow": snow,
    "desert": desert,
    "farm": farm,
    "garden": garden,
}
