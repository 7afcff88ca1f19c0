"""Indoor places: wall, window with the hour outside, floor or table."""

from __future__ import annotations

from collections.abc import Callable

from emoji_scenes.scenes.canvas import Canvas, Colour, mix

_OUTSIDE: dict[str, tuple[Colour, Colour]] = {
    "day": ((126, 196, 240), (220, 240, 250)),
    "sunset": ((146, 108, 160), (255, 186, 116)),
    "night": ((14, 22, 52), (44, 60, 106)),
}
_WALL_SHADE = {"day": 0.0, "sunset": 0.12, "night": 0.34}


def _wall(c: Canvas, colour: Colour, below: Colour) -> None:
    shade: Colour = (150, 84, 40) if c.time == "sunset" else (24, 26, 60)
    share = _WALL_SHADE[c.time]
    c.gradient(0, 1, mix(colour, shade, share), mix(below, shade, share))


def _lit(c: Canvas, colour: Colour) -> Colour:
    shade: Colour = (150, 84, 40) if c.time == "sunset" else (24, 26, 60)
    return mix(colour, shade, _WALL_SHADE[c.time] * 0.8)


def _window(c: Canvas, x: float, y: float, w: float, h: float) -> None:
    c.rect(x - 0.015, y - 0.015, x + w + 0.015, y + h + 0.015, (250, 248, 244))
    top, bottom = _OUTSIDE[c.time]
    steps = 12
    for k in range(steps):
        c.rect(x, y + h * k / steps, x + w, y + h * (k + 1) / steps, mix(top, bottom, k / steps))
    if c.time == "night":
        c.disc(x + w * 0.7, y + h * 0.28, 0.03, (250, 244, 206))
        for sx, sy in c.rng.uniform(0.06, 0.94, (7, 2)):
            c.disc(x + sx * w, y + sy * h, 0.004, (250, 248, 225))
    elif c.time == "sunset":
        c.disc(x + w * 0.4, y + h * 0.8, 0.05, (255, 226, 150))
    else:
        c.disc(x + w * 0.74, y + h * 0.26, 0.034, (255, 236, 120))
    c.rect(x + w / 2 - 0.006, y, x + w / 2 + 0.006, y + h, (250, 248, 244))
    c.rect(x, y + h / 2 - 0.006, x + w, y + h / 2 + 0.006, (250, 248, 244))


def _planks(c: Canvas, light: Colour, dark: Colour) -> None:
    c.gradient(c.horizon, 1, _lit(c, light), _lit(c, dark))
    y, step = c.horizon, 0.04
    while y < 1:
        c.line(0, y, 1, y, _lit(c, mix(dark, (0, 0, 0), 0.12)), 0.005)
        y, step = y + step, step * 1.3


def _table(c: Canvas, top: Colour, edge: Colour) -> None:
    c.gradient(c.horizon, 1, _lit(c, top), _lit(c, mix(top, edge, 0.5)))
    c.rect(0, c.horizon, 1, c.horizon + 0.014, _lit(c, edge))


def kitchen(c: Canvas) -> None:
    _wall(c, (238, 240, 232), (222, 228, 220))
    for k in range(10):
        c.line(k / 9, 0.3, k / 9, c.horizon, _lit(c, (206, 214, 208)), 0.005)
    for y in (0.36, 0.44, 0.52):
        c.line(0, y, 1, y, _lit(c, (206, 214, 208)), 0.005)
    x = c.rng.uniform(0.3, 0.42)
    _window(c, x, 0.06, 0.28, 0.24)
    for left in (0.02, x + 0.36):
        c.rect(left, 0, left + 0.22, 0.26, _lit(c, (126, 176, 176)))
        c.rect(left + 0.105, 0.01, left + 0.112, 0.25, _lit(c, (96, 146, 148)))
    _table(c, (226, 206, 176), (168, 128, 92))


def restaurant(c: Canvas) -> None:
    _wall(c, (222, 158, 122), (204, 134, 104))
    _window(c, c.rng.uniform(0.08, 0.58), 0.12, 0.32, 0.28)
    for x in (0.2, 0.5, 0.8):
        c.rect(x - 0.003, 0, x + 0.003, 0.07, (70, 56, 52))
        c.polygon(
            [(x - 0.05, 0.12), (x - 0.02, 0.065), (x + 0.02, 0.065), (x + 0.05, 0.12)], (84, 66, 60)
        )
        c.disc(x, 0.125, 0.018, (255, 238, 170))
    c.rect(0, c.horizon - 0.05, 1, c.horizon, _lit(c, (152, 92, 72)))
    _table(c, (252, 246, 238), (206, 84, 78))
    for k in range(11):
        c.line(
            0.5 + 0.1 * (k - 5),
            c.horizon + 0.014,
            0.5 + 0.2 * (k - 5),
            1,
            _lit(c, (240, 214, 206)),
            0.014,
        )


def office(c: Canvas) -> None:
    _wall(c, (206, 220, 232), (188, 204, 218))
    x = c.rng.uniform(0.06, 0.3)
    _window(c, x, 0.08, 0.34, 0.3)
    c.rect(x + 0.46, 0.2, x + 0.46 + 0.3, 0.225, _lit(c, (140, 104, 76)))
    for k in range(6):
        tone: Colour = ((196, 84, 76), (86, 140, 178), (232, 190, 98), (110, 160, 112))[k % 4]
        left = x + 0.48 + 0.04 * k
        c.rect(left, 0.2 - c.rng.uniform(0.07, 0.11), left + 0.03, 0.2, _lit(c, tone))
    _table(c, (178, 134, 96), (128, 90, 62))


def living_room(c: Canvas) -> None:
    _wall(c, (244, 226, 192), (236, 212, 172))
    x = c.rng.uniform(0.06, 0.5)
    _window(c, x, 0.1, 0.32, 0.3)
    left = (x + 0.52) % 0.8
    if abs(left + 0.09 - (x + 0.16)) > 0.3:
        c.rect(left, 0.16, left + 0.18, 0.34, _lit(c, (150, 106, 72)))
        c.rect(left + 0.015, 0.175, left + 0.165, 0.325, _lit(c, (158, 204, 190)))
        c.polygon(
            [(left + 0.015, 0.325), (left + 0.07, 0.22), (left + 0.12, 0.325)],
            _lit(c, (106, 150, 124)),
        )
    c.rect(0, c.horizon - 0.03, 1, c.horizon, _lit(c, (250, 244, 232)))
    _planks(c, (206, 158, 112), (176, 126, 84))
    c.ellipse(0.12, c.horizon + 0.12, 0.88, 0.96, _lit(c, (178, 92, 88)))
    c.ellipse(0.17, c.horizon + 0.145, 0.83, 0.935, _lit(c, (208, 128, 112)))


def bedroom(c: Canvas) -> None:
    _wall(c, (200, 214, 238), (184, 198, 228))
    for k in range(0, 14):
        c.rect(k / 13, 0, k / 13 + 0.016, c.horizon, _lit(c, (188, 202, 230)))
    x = c.rng.uniform(0.16, 0.5)
    _window(c, x, 0.1, 0.3, 0.3)
    for left in (x - 0.09, x + 0.3):
        c.polygon(
            [(left, 0.06), (left + 0.09, 0.06), (left + 0.08, 0.46), (left + 0.01, 0.46)],
            _lit(c, (236, 156, 162)),
        )
    c.rect(0, c.horizon - 0.025, 1, c.horizon, _lit(c, (248, 248, 250)))
    c.gradient(c.horizon, 1, _lit(c, (214, 202, 190)), _lit(c, (186, 172, 160)))


def gym(c: Canvas) -> None:
    _wall(c, (236, 232, 216), (220, 214, 196))
    first = c.rng.uniform(-0.04, 0.08)
    for k in range(3):
        _window(c, first + 0.34 * k, 0.05, 0.26, 0.12)
    bars, hoop = (0.06, 0.7) if c.rng.integers(2) else (0.7, 0.12)
    bars, hoop = bars + c.rng.uniform(-0.05, 0.05), hoop + c.rng.uniform(-0.06, 0.06)
    for k in range(5):
        y = 0.26 + 0.06 * k
        c.rect(bars, y, bars + 0.24, y + 0.014, _lit(c, (188, 134, 84)))
    for x in (bars - 0.005, bars + 0.225):
        c.rect(x, 0.23, x + 0.02, c.horizon, _lit(c, (160, 108, 66)))
    c.rect(hoop, 0.22, hoop + 0.2, 0.36, _lit(c, (250, 250, 250)))
    c.ellipse(hoop + 0.06, 0.35, hoop + 0.14, 0.375, _lit(c, (228, 96, 62)))
    _planks(c, (226, 172, 108), (198, 140, 80))
    c.line(0, c.horizon + 0.2, 1, c.horizon + 0.2, (250, 250, 250), 0.009)


INTERIORS: dict[str, Callable[[Canvas], None]] = {
    "kitchen": kitchen,
    "restaurant": restaurant,
    "office": office,
    "living_room": living_room,
    "bedroom": bedroom,
    "gym": gym,
}
