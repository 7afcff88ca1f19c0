"""Shipped weights are what their provenance says, or they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emoji_scenes.vision.weights import load_shipped, save_shipped
from gegcore.errors import ChecksumError, MissingDependencyError


def _save(folder: Path) -> str:
    return save_shipped("tiny", {"w": torch.arange(6.0).view(2, 3)}, {"seed": 7}, folder)


def test_round_trip(tmp_path: Path) -> None:
    sha256 = _save(tmp_path)
    tensors, metadata = load_shipped("tiny", tmp_path)
    assert metadata == {"seed": 7, "sha256": sha256}
    assert torch.equal(tensors["w"], torch.arange(6.0).view(2, 3))


def test_a_flipped_bit_is_refused_by_name(tmp_path: Path) -> None:
    _save(tmp_path)
    path = tmp_path / "tiny.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumError, match="tiny.safetensors") as caught:
        load_shipped("tiny", tmp_path)
    assert "restore" in caught.value.fix


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    _save(tmp_path)
    (tmp_path / f"tiny.{suffix}").unlink()
    with pytest.raises(MissingDependencyError, match=f"tiny.{suffix}"):
        load_shipped("tiny", tmp_path)


def test_a_right_sum_of_something_else_is_refused(tmp_path: Path) -> None:
    from gegcore.storage import sha256_file, write_json

    path = tmp_path / "tiny.safetensors"
    path.write_bytes(b"not safetensors")
    write_json(tmp_path / "tiny.json", {"sha256": sha256_file(path)})
    with pytest.raises(ChecksumError, match="not a safetensors file"):
        load_shipped("tiny", tmp_path)
