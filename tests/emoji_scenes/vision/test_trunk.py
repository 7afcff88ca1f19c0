"""The trunk: folding changes nothing, and nothing trains it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emoji_scenes.vision.trunk import Trunk
from gegcore.errors import DataError


def _pictures(count: int, height: int = 64, width: int = 96) -> np.ndarray:
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (count, height // 8, width // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


def test_shapes(trunk: Trunk) -> None:
    maps = trunk(_pictures(2))
    assert maps.stride8.shape == (2, 40, 8, 12)
    assert maps.stride16.shape == (2, 112, 4, 6)
    assert maps.pooled.shape == (2, 1280)


def test_folding_batch_norm_does_not_change_the_function(trunk: Trunk) -> None:
    pictures = _pictures(3)
    for folded, plain in zip(trunk(pictures), Trunk(fold=False)(pictures), strict=True):
        scale = plain.abs().max().clamp(min=1)
        assert ((folded - plain).abs().max() / scale) < 1e-4
    assert not any("BatchNorm" in type(module).__name__ for module in trunk.modules())


def test_equals_timm_with_its_own_preprocessing(trunk: Trunk) -> None:
    """timm's classifier input, computed as its documentation says (mean = std = 0.5)."""
    pictures = _pictures(2)
    net = Trunk(fold=False).net
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    expected = net.forward_head(net.forward_features((x - 0.5) / 0.5), pre_logits=True)
    assert torch.allclose(trunk(pictures).pooled, expected, atol=1e-3)


def test_a_picture_does_not_depend_on_its_batch(trunk: Trunk) -> None:
    pictures = _pictures(4)
    assert torch.allclose(trunk(pictures).pooled[2], trunk(pictures[2:3]).pooled[0], atol=1e-4)


def test_frozen(trunk: Trunk) -> None:
    assert not trunk.train().net.training
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert not trunk(torch.from_numpy(_pictures(1))).pooled.requires_grad


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 3, 64, 64), np.uint8),
        np.zeros((1, 60, 64, 3), np.uint8),
    ],
    ids=["floats", "one picture", "channels first", "not a multiple of 32"],
)
def test_bad_pictures_are_refused(trunk: Trunk, images: np.ndarray) -> None:
    with pytest.raises(DataError, match="images"):
        trunk(images)
