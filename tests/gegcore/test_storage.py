"""Files are whole or absent; digests name content, not layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gegcore.errors import DataError
from gegcore.storage import atomic_write, digest, read_json, save_safetensors, write_json


def test_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as stream:
        stream.write("half")
        raise RuntimeError("crash")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_round_trip_and_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "sub" / "a.json", {"é": [1, 2.5, None]})
    assert read_json(tmp_path / "sub" / "a.json") == {"é": [1, 2.5, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_malformed_json_is_located(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n "x": }')
    with pytest.raises(DataError, match=r"a\.json.*line 2, column 7"):
        read_json(tmp_path / "a.json")
    with pytest.raises(DataError, match="does not exist"):
        read_json(tmp_path / "none.json")


def test_digest_ignores_key_order_only() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


def test_safetensors_are_stored_contiguous(tmp_path: Path) -> None:
    tensor = torch.arange(6.0).view(2, 3).T
    save_safetensors(tmp_path / "x.safetensors", {"x": tensor})
    assert torch.equal(load_file(tmp_path / "x.safetensors")["x"], tensor)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
