"""Retouches of single OpenMoji pictures, so that they sit well in a scene (CC BY-SA 4.0)."""

from __future__ import annotations

import re

_WATER = {
    "1F3CA": "M67.958,35.958",
    "1F6A3": "M67.958,46.958",
    "1F6A4": "M68,47v22",
    "26F5": "m64.4414,44.7846",
}
"""Codepoint -> how the outline of the block of water in it begins; scenes have their own water."""

_STEAM = {"2615": r'<path[^>]*stroke="#d0cfce"[^>]*/>'}
"""Codepoint -> pattern of shapes that keep their colour when the thing is given another."""

_GUARD = "#d0cfcd"


def retouch(codepoint: str, svg: str) -> str:
    """One picture's source without its block of water, its steam guarded against recolouring.

    Raises:
        ValueError: the picture is not the one that the retouch was made for.
    """
    if codepoint in _WATER:
        svg, removed = re.subn(rf'<path[^>]*\bd="{re.escape(_WATER[codepoint])}[^>]*/>', "", svg)
        if removed != 1:
            raise ValueError(f"{codepoint}.svg has no block of water to remove")
    if codepoint in _STEAM:
        # One step of blue off its grey: no longer a colour of the palette, and nobody sees it.
        svg = re.sub(_STEAM[codepoint], lambda m: m.group().replace("#d0cfce", _GUARD), svg)
    return svg
