"""Arrays behind one manifest: whole or as before, and known by key and content."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from full_disk import files_end_at, free_bytes

from gegcore.array_folder import (
    ArrayFolder,
    append_rows,
    new_array_folder,
    save_arrays,
    stored_arrays,
)
from gegcore.errors import ChecksumError, DataError, StorageError

ARRAYS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False])}
KEY = {"clip": "x", "sizes": [1, 2]}


def test_arrays_come_back_with_what_they_were_made_from(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x", ARRAYS, KEY)
    folder = ArrayFolder.open(tmp_path / "x", ("a",), "things")
    assert folder.key == KEY
    assert stored_arrays(tmp_path / "x", ("a",), "things", KEY) is not None
    assert stored_arrays(tmp_path / "x", ("a",), "things", "another") is None
    assert all(torch.equal(folder.tensors[name], ARRAYS[name]) for name in ARRAYS)
    assert all(isinstance(array, np.memmap) for array in folder.arrays.values())
    folder.tensors["a"][0, 0] = 9  # a page of ours, not of the file
    assert torch.equal(ArrayFolder.open(tmp_path / "x", (), "things").tensors["a"], ARRAYS["a"])


def test_a_digest_is_of_the_content_and_a_key_is_not(tmp_path: Path) -> None:
    for name, key, arrays in (("x", KEY, ARRAYS), ("y", 2, ARRAYS), ("z", KEY, {"a": ARRAYS["b"]})):
        save_arrays(tmp_path / name, arrays, key)
    x, y, z = (ArrayFolder.open(tmp_path / name, (), "things").digest for name in "xyz")
    assert x == y != z


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x", ARRAYS, 1)
    with pytest.raises(RuntimeError), new_array_folder(tmp_path / "x", 2) as folder:
        np.save(folder / "c.npy", np.zeros(3))
        raise RuntimeError("killed")
    assert ArrayFolder.open(tmp_path / "x", (), "things").key == 1
    with new_array_folder(tmp_path / "x", 3) as folder:
        save_arrays(tmp_path / "x", ARRAYS, 2)  # by somebody else, meanwhile
        np.save(folder / "c.npy", np.zeros(3))
    assert set(ArrayFolder.open(tmp_path / "x", ("c",), "things").arrays) == {"c"}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert stored_arrays(tmp_path, (), "things", KEY) is None
    with pytest.raises(DataError, match="does not exist"):
        ArrayFolder.open(tmp_path, (), "things")
    save_arrays(tmp_path / "x", ARRAYS, KEY)
    with pytest.raises(DataError, match="no manifest of other things"):
        ArrayFolder.open(tmp_path / "x", ("c",), "other things")
    (tmp_path / "x" / "a.npy").write_bytes(b"short")
    with pytest.raises(ChecksumError, match=r"a\.npy is missing or not what"):
        ArrayFolder.open(tmp_path / "x", (), "things")
    with pytest.raises(ChecksumError, match=r"a\.npy is damaged"):
        ArrayFolder.open(tmp_path / "x", (), "things", verify=False)
    assert stored_arrays(tmp_path / "x", (), "things", KEY) is None
    (tmp_path / "x" / "manifest.json").write_text("[]")
    assert stored_arrays(tmp_path / "x", (), "things", KEY) is None


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_arrays(tmp_path / "x", ARRAYS, KEY)
    rename = Path.rename

    def full(path: Path, target: Path | str) -> Path:
        if Path(target).name == "x" and not path.name.endswith(".old"):
            raise OSError("no space left")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space"):
        save_arrays(tmp_path / "x", {"a": ARRAYS["a"] + 1}, "other")
    monkeypatch.undo()
    assert ArrayFolder.open(tmp_path / "x", (), "things").key == KEY
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_is_named_and_leaves_the_old_folder(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x", ARRAYS, KEY)
    large = {"a": torch.zeros(5000), "b": torch.zeros(1)}
    named = rf"{tmp_path}/x/a\.npy cannot be written: File too large"
    with files_end_at(5000), pytest.raises(StorageError, match=named) as raised:
        save_arrays(tmp_path / "x", large, "other")
    assert "free some room" in raised.value.fix
    assert ArrayFolder.open(tmp_path / "x", (), "things").key == KEY
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    save_arrays(tmp_path / "x", large, "other")
    assert ArrayFolder.open(tmp_path / "x", (), "things").key == "other"


def test_the_manifest_may_be_what_finds_no_room(tmp_path: Path) -> None:
    said = f"{tmp_path}/x/manifest.json cannot be written"
    with files_end_at(5000), pytest.raises(StorageError, match=said):
        save_arrays(tmp_path / "x", ARRAYS, "k" * 6000)
    assert list(tmp_path.iterdir()) == []


def test_room_is_asked_for_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_bytes(monkeypatch, 10)
    with pytest.raises(StorageError, match=f"arrays need 26 B in {tmp_path}/x, 10 B are free"):
        save_arrays(tmp_path / "x", ARRAYS, KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_rights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(**_: Any) -> None:
        raise OSError(30, "Read-only file system", "somewhere")

    monkeypatch.setattr(tempfile, "mkdtemp", read_only)
    with pytest.raises(StorageError, match="x cannot be written: Read-only file system"):
        save_arrays(tmp_path / "x", ARRAYS, KEY)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/x cannot be written"):
        save_arrays(tmp_path / "file" / "x", ARRAYS, KEY)


@pytest.mark.parametrize("kind", ["float16", "float32", "int16", "int64", "bool"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 0, 2), (0, 4)])
def test_rows_make_the_file_of_numpy(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)) % 5).reshape(shape).astype(kind)
    np.save(tmp_path / "whole.npy", array)
    for start in range(0, max(len(array), 1), 3):
        append_rows(tmp_path / "rows.npy", array[start : start + 3], len(array))
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_short_file_is_noticed_without_its_checksum(tmp_path: Path, length: int) -> None:
    """Mapped, it would end the process by SIGBUS where it is read."""
    save_arrays(tmp_path / "x", ARRAYS, KEY)
    path = tmp_path / "x" / "a.npy"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ChecksumError, match=r"a\.npy"):
        ArrayFolder.open(tmp_path / "x", (), "things", verify=False)
