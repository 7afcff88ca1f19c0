"""EfficientNet-lite0, pretrained on ImageNet and frozen: pixels -> feature maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gegcore.errors import DataError
from photographs.imagenet import PACKAGED, load_network

NETWORK = "efficientnet-lite0"

STRIDE8, STRIDE16, POOLED = 40, 112, 1280
"""Channels of the three outputs."""

_STRIDE8_BLOCK, _STRIDE16_BLOCK = 2, 4
"""The stages of the network whose outputs are those maps."""


class TrunkMaps(NamedTuple):
    """`stride8 (B, 40, H/8, W/8)`, `stride16 (B, 112, H/16, W/16)`, `pooled (B, 1280)`."""

    stride8: Tensor
    stride16: Tensor
    pooled: Tensor


class Trunk(nn.Module):
    """The frozen network, always in evaluation mode.

    Errors are those of `load_network`, of which `fold` is an argument.
    """

    digest = PACKAGED[NETWORK].sha256[:16]

    def __init__(self, fold: bool = True) -> None:
        super().__init__()
        self.net = load_network(NETWORK, fold)

    def train(self, mode: bool = True) -> Trunk:
        """Stay in evaluation mode whatever the module around does: the trunk is never trained."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor | np.ndarray) -> TrunkMaps:
        """Feature maps of uint8 RGB pictures `(B, H, W, 3)`, H and W multiples of 32.

        Raises:
            DataError: not uint8, or of another shape.
        """
        stride8, stride16 = self.maps(images)
        x = stride16
        for block in self.net.blocks[_STRIDE16_BLOCK + 1 :]:
            x = block(x)
        x = self.net.bn2(self.net.conv_head(x))
        return TrunkMaps(stride8, stride16, x.mean((2, 3)))

    @torch.no_grad()
    def maps(self, images: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Only `stride8` and `stride16` of `forward`: a fifth of its time less.

        Raises:
            DataError: as there.
        """
        x = _check(images).to(next(self.net.parameters()).device)
        # (B, H, W, 3) seen as (B, 3, H, W) is channels_last already: no copy of the pixels.
        x = x.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        x = self.net.bn1(self.net.conv_stem(x))
        for block in self.net.blocks[: _STRIDE8_BLOCK + 1]:
            x = block(x)
        stride8 = x
        for block in self.net.blocks[_STRIDE8_BLOCK + 1 : _STRIDE16_BLOCK + 1]:
            x = block(x)
        return stride8, x


def _check(images: Tensor | np.ndarray) -> Tensor:
    tensor = images
    if isinstance(tensor, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(tensor))
    shape = tuple(tensor.shape)
    if tensor.dtype != torch.uint8 or len(shape) != 4 or shape[3] != 3:
        raise DataError(
            f"images have shape {shape} and type {tensor.dtype}",
            "pass uint8 RGB pixels of shape (B, H, W, 3)",
        )
    if shape[1] % 32 or shape[2] % 32:
        raise DataError(
            f"images of {shape[1]} x {shape[2]} pixels do not fit the trunk's stride",
            "resize them to multiples of 32",
        )
    return tensor
