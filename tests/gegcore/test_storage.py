"""Files are whole or absent; digests name content, not layout."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
import torch
from full_disk import files_end_at, free_bytes
from safetensors.torch import load_file

from gegcore.errors import DataError, StorageError, writing
from gegcore.storage import (
    atomic_write,
    digest,
    need_room,
    read_json,
    save_safetensors,
    write_json,
    write_text,
)


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


WRITERS = {
    "text": lambda path: write_text(path, "x" * 10_000),
    "json": lambda path: write_json(path, ["x" * 10_000]),
    "tensors": lambda path: save_safetensors(path, {"x": torch.zeros(10_000)}),
}


@pytest.mark.parametrize("kind", list(WRITERS))
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    said = "old cannot be written: File too large"
    with files_end_at(5_000), pytest.raises(StorageError, match=said) as raised:
        WRITERS[kind](path)
    assert str(path) in raised.value.what and "free some room" in raised.value.fix
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    WRITERS[kind](path)
    assert path.stat().st_size > 5_000


CODES = ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EIO"]


@pytest.mark.parametrize("operation", ["fsync", "replace"])
@pytest.mark.parametrize("code", CODES)
def test_every_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, operation: str
) -> None:
    number = getattr(errno, code)

    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, operation, failing)
    with pytest.raises(StorageError, match=f"a.json cannot be written: {os.strerror(number)}"):
        write_json(tmp_path / "a.json", 1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):  # whoever handles those handles it
        write_json(tmp_path / "a.json", 1)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"a\.json cannot be written"):
        write_json(tmp_path / "file" / "folder" / "a.json", 1)


def test_stray_errors_of_a_full_or_read_only_disk_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in CODES:
        with pytest.raises(StorageError, match=r"^x/y: "), writing():
            raise OSError(getattr(errno, code), "why", "x/y")
    with pytest.raises(FileNotFoundError), writing():
        (tmp_path / "none").read_text()
    with pytest.raises(OSError, match="libbroken"), writing():
        raise OSError("libbroken.so")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "full")])
    with pytest.raises(StorageError, match="free some room"), writing(), tempfile.TemporaryFile():
        pass


def test_room_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "not" / "there"
    free_bytes(monkeypatch, 215_000_000)
    need_room(folder, 215_000_000, "features")
    with pytest.raises(StorageError, match="features need 1.34 GB in .*there, 215 MB are free"):
        need_room(folder, 1_340_000_000, "features")
    free_bytes(monkeypatch, 0, total=0)  # as some network file systems say
    need_room(folder, 1, "features")
    assert not folder.exists()
