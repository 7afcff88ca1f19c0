"""The social card, what a link to the book is shown with: a family of scenes and the title."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bookkit.report.style import GREY, INK
from emoji_scenes.scenes.painter import paint
from emoji_scenes.scenes.sampler import sample_scene

WIDTH, HEIGHT = 1200, 630
"""Pixels: the size that Open Graph's readers ask for."""

TITLE = "Captions that tell images apart"
LINE = "Five pictures, one caption that fits them all: correct, and useless."
CREDIT = "A reproduction that runs. Scenes: adapted from OpenMoji, CC BY-SA 4.0"
_SIDE, _GAP, _TOP, _MARKED = 208, 20, 250, 3
_FRAME = "#e0622a"  # as in the logo


def card() -> bytes:
    """PNG of `WIDTH` x `HEIGHT`. Its letters come with matplotlib: the same on all machines."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()
    for number in range(5):
        left = 2 * _GAP + number * (_SIDE + _GAP)
        pixels = np.asarray(paint(sample_scene(0, "test", number), _SIDE))
        figure.figimage(pixels, left, HEIGHT - _TOP - _SIDE)
        if number == _MARKED:
            corner = (left - 5, _TOP - 5)
            frame = Rectangle(corner, _SIDE + 10, _SIDE + 10, fill=False, lw=8, edgecolor=_FRAME)
            axes.add_patch(frame)
    style: dict[str, Any] = {"family": "DejaVu Sans", "x": 2 * _GAP, "va": "baseline"}
    axes.text(y=110, s=TITLE, size=45, weight="bold", color=INK, **style)
    axes.text(y=185, s=LINE, size=23, color=GREY, **style)
    axes.text(y=545, s=CREDIT, size=19, color=GREY, **style)
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
