"""Downloads: whole or not there, going on where they stopped, each failure in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer, serving
from full_disk import free_bytes

from gegcore.errors import ChecksumError, MissingDependencyError, StorageError
from photographs import download as module
from photographs.download import download, remote_size

CONTENT = hashlib.sha256(b"seed").digest() * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    with serving({"/a.zip": CONTENT}) as server:
        yield server


def starts(server: FileServer) -> list[int]:
    return [start for _, _, start in server.asked]


def test_a_file_is_got_once(server: FileServer, tmp_path: Path) -> None:
    target = tmp_path / "in" / "a.zip"
    assert download(f"{server.url}/a.zip", target, MD5) == target
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]
    download(f"{server.url}/a.zip", target, MD5)
    assert starts(server) == [0]


def test_it_goes_on_where_the_connection_broke_off(server: FileServer, tmp_path: Path) -> None:
    server.most = 50_000
    download(f"{server.url}/a.zip", tmp_path / "a.zip", MD5)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert starts(server) == [0, 50_000, 100_000]


def test_it_goes_on_in_another_session(server: FileServer, tmp_path: Path) -> None:
    server.most, target = 0, tmp_path / "a.zip"
    part = tmp_path / ".a.zip.download"
    part.write_bytes(CONTENT[:70_000])
    with pytest.raises(MissingDependencyError, match="goes on where it stopped"):
        download(f"{server.url}/a.zip", target, MD5)  # of which nothing says whose it is
    assert not target.exists() and starts(server) == [0, 0, 0, 0]
    server.most = 70_000
    module._go_on(f"{server.url}/a.zip", part, 1.0)
    server.most = None
    download(f"{server.url}/a.zip", target, MD5)
    assert target.read_bytes() == CONTENT and starts(server)[-1] == 70_000


@pytest.mark.parametrize("change", ["tag", "ranges", "weak"])
def test_what_cannot_be_gone_on_with_is_begun_anew(
    server: FileServer, tmp_path: Path, change: str
) -> None:
    """Another file by now; a server without ranges; a tag that says nothing about bytes."""
    if change == "weak":
        server.tag = 'W/"1"'
    server.most = 60_000
    module._go_on(f"{server.url}/a.zip", tmp_path / ".a.zip.download", 1.0)
    server.most = None
    if change == "tag":
        server.content["/a.zip"], server.tag = CONTENT[::-1], '"2"'
    server.ranges = change != "ranges"
    download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == server.content["/a.zip"]
    assert starts(server) == ([0, 0] if change == "weak" else [0, 60_000])


def test_all_had_come_but_its_name(server: FileServer, tmp_path: Path) -> None:
    part = tmp_path / ".a.zip.download"
    module._go_on(f"{server.url}/a.zip", part, 1.0)
    download(f"{server.url}/a.zip", tmp_path / "a.zip", MD5)
    assert starts(server) == [0, len(CONTENT)] and not part.exists()


def test_another_file_is_thrown_away(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(ChecksumError, match="whose MD5 is not"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip", "0" * 32)
    assert not (tmp_path / "a.zip").exists() and not (tmp_path / ".a.zip.download").exists()


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (503, 4), (429, 4)])
def test_an_answer_that_is_no_file(
    server: FileServer, tmp_path: Path, status: int, asked: int
) -> None:
    server.status = status
    with pytest.raises(MissingDependencyError, match=str(status)) as raised:
        download(f"{server.url}/a.zip", tmp_path / "a.zip", by_hand="ask them")
    assert raised.value.fix == "ask them" and len(server.asked) == asked


def test_no_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    with pytest.raises(MissingDependencyError, match=r"http://127\.0\.0\.1:1/a.*refused"):
        download("http://127.0.0.1:1/a", tmp_path / "a")


def test_room_is_asked_for_before_anything_comes(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes(monkeypatch, 1.5 * len(CONTENT))
    with pytest.raises(StorageError, match="are free"):
        download(f"{server.url}/a.zip", tmp_path / "a.zip", room=2)
    assert not (tmp_path / ".a.zip.download").exists()
    download(f"{server.url}/a.zip", tmp_path / "a.zip")


def test_sizes_are_asked_for_alone(server: FileServer) -> None:
    assert remote_size(f"{server.url}/a.zip") == len(CONTENT)
    assert remote_size(f"{server.url}/b.zip") == 0 == remote_size("http://127.0.0.1:1/a")
    assert {method for method, _, _ in server.asked} == {"HEAD"}
