"""Retouches of single pictures."""

from __future__ import annotations

import numpy as np
import pytest

from emoji_scenes.scenes.artwork import _STEAM, _WATER, retouch
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.sprites import sprite


@pytest.mark.parametrize("codepoint", _WATER)
def test_no_block_of_water_is_left(codepoint: str) -> None:
    """OpenMoji's water is a flat field of one blue; a windscreen of that blue may stay."""
    picture = np.asarray(sprite(codepoint)).astype(int)
    blue = np.abs(picture[..., :3] - (0x92, 0xD3, 0xF5)).sum(-1) < 12
    assert (blue & (picture[..., 3] > 200)).mean() < 0.1


def test_steam_keeps_its_colour() -> None:
    (codepoint,) = _STEAM
    family = next(e.recolour for e in ENTITIES.values() if e.codepoint == codepoint)
    red = np.asarray(sprite(codepoint, family, "red")).astype(int)
    top = red[: len(red) // 3]
    grey = np.abs(top[..., :3] - (0xD0, 0xCF, 0xCE)).sum(-1) < 12
    assert (grey & (top[..., 3] > 200)).sum() > 100
    assert not ((top[..., 0] - top[..., 1] > 60) & (top[..., 3] > 200)).any()


def test_a_picture_that_changed_is_reported() -> None:
    with pytest.raises(ValueError, match="26F5"):
        retouch("26F5", "<svg></svg>")
