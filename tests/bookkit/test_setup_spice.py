"""`gegcore setup-spice`: every way to the jars, and every way for it to go wrong."""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import stat
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from full_disk import files_end_at, free_bytes

from bookkit.spice_install import install_corenlp
from gegcore.cli import main
from gegcore.errors import ChecksumError, DataError, MissingDependencyError, StorageError
from gegcore.metrics import spice_jars
from photographs import download

CONTENT = {name: hashlib.sha256(name.encode()).digest() * 3000 for name in spice_jars.CORENLP_JARS}


def _zip(content: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in content.items():
            archive.writestr(f"stanford-corenlp-full-2015-12-09/{name}", data)
    return packed.getvalue()


ZIP = _zip(CONTENT)


class Server(ThreadingHTTPServer):
    """Serves `content`; breaks off after `most` bytes of an answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.most, self.asked = ZIP, len(ZIP), 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/corenlp.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.content
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.most])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the small jars of these tests go; there is no Maven and no proxy."""
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, data in CONTENT.items():
        digest = hashlib.sha256(data).hexdigest()
        monkeypatch.setitem(spice_jars.CORENLP_JARS, name, digest)
    return spice_jars.corenlp_folder()


def _installed(folder: Path) -> bool:
    """The jars, and nothing else."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return found == CONTENT


def test_download_and_nothing_to_do(folder: Path, server: Server) -> None:
    assert install_corenlp(url=server.url) == folder
    assert _installed(folder)
    assert install_corenlp(url=server.url) == folder
    assert server.asked == 1


def test_a_connection_that_breaks_off_leaves_nothing(folder: Path, server: Server) -> None:
    server.most = len(ZIP) // 2
    with pytest.raises(MissingDependencyError, match="the connection broke off") as raised:
        install_corenlp(url=server.url)
    assert "--from FOLDER" in raised.value.fix
    assert list(folder.iterdir()) == []


BAD = {
    "no zip": b"<html>not found</html>",
    "cut": ZIP[: len(ZIP) // 2],
    "damaged": ZIP[:5000] + b"????" + ZIP[5004:],
    "other jars": _zip({name: data[::-1] for name, data in CONTENT.items()}),
    "one jar": _zip(dict(list(CONTENT.items())[:1])),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_bad_download_is_thrown_away(kind: str, folder: Path, server: Server) -> None:
    server.content, server.most = BAD[kind], len(BAD[kind])
    with pytest.raises(ChecksumError):
        install_corenlp(url=server.url)
    assert list(folder.iterdir()) == []
    server.content, server.most = ZIP, len(ZIP)
    install_corenlp(url=server.url)
    assert _installed(folder)


def test_no_server_is_named(folder: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"http://127\.0\.0\.1:1/"):
        install_corenlp(url="http://127.0.0.1:1/corenlp.zip")


def test_a_damaged_jar_is_replaced_alone(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    install_corenlp(url=server.url)
    first, second = (folder / name for name in CONTENT)
    before = first.stat().st_mtime_ns
    second.write_bytes(b"x" * len(CONTENT[second.name]))
    install_corenlp(url=server.url)
    assert _installed(folder) and first.stat().st_mtime_ns == before
    assert "is damaged" in capsys.readouterr().err


def test_from_a_folder_or_a_zip(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(DataError, match="there is no stanford-corenlp-3.6.0.jar in .*source"):
        install_corenlp(source)
    for name, data in CONTENT.items():
        (source / name).write_bytes(data[:-1])
    with pytest.raises(ChecksumError, match="is damaged"):
        install_corenlp(source)
    for name, data in CONTENT.items():
        (source / name).write_bytes(data)
    install_corenlp(source)
    assert _installed(folder)
    for jar in folder.iterdir():
        jar.unlink()
    (tmp_path / "all.zip").write_bytes(ZIP)
    install_corenlp(tmp_path / "all.zip")
    assert _installed(folder)


def test_a_folder_that_cannot_be_written(folder: Path, server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(DataError, match="could not be written") as raised:
        install_corenlp(url=server.url)
    assert "GEGCORE_CACHE" in raised.value.fix


def _fake_maven(tmp_path: Path, program: str) -> None:
    binary = tmp_path / "bin" / "mvn"
    binary.parent.mkdir()
    # Not as `#!python`: its path may have a space.
    code = binary.with_name("mvn.py")
    code.write_text(f"import os, sys\n{program}\n")
    call = shlex.join([sys.executable, str(code)])
    binary.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)


COPY = """
name = "stanford-corenlp-3.6.0" + ("-models" if sys.argv[-2].endswith(":models") else "") + ".jar"
folder = sys.argv[-1].removeprefix("-DoutputDirectory=")
open(os.path.join(folder, name), "wb").write(open(os.path.join(SOURCE, name), "rb").read())
"""


@pytest.mark.skipif(os.name != "posix", reason="the fake Maven is a script with a first line")
def test_maven_is_asked_first(folder: Path, server: Server, tmp_path: Path) -> None:
    for name, data in CONTENT.items():
        (tmp_path / name).write_bytes(data)
    _fake_maven(tmp_path, f"SOURCE = {str(tmp_path)!r}{COPY}")
    install_corenlp(url=server.url)
    assert _installed(folder) and server.asked == 0


@pytest.mark.skipif(os.name != "posix", reason="the fake Maven is a script with a first line")
@pytest.mark.parametrize("damaged", [False, True], ids=["fails", "damaged"])
def test_without_maven_s_help_it_is_downloaded(
    damaged: bool,
    folder: Path,
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in CONTENT:
        (tmp_path / name).write_bytes(b"?")
    copy = f"SOURCE = {str(tmp_path)!r}{COPY}"
    _fake_maven(tmp_path, copy if damaged else "raise SystemExit('[ERROR] offline')")
    install_corenlp(url=server.url)
    assert _installed(folder)
    said = capsys.readouterr().err
    assert ("is damaged" if damaged else "Maven failed: [ERROR] offline") in said


def test_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup-spice", "--from", str(tmp_path)]) == 1
    assert "there is no stanford-corenlp-3.6.0.jar" in capsys.readouterr().err
    (tmp_path / "all.zip").write_bytes(ZIP)
    assert main(["setup-spice", "--from", str(tmp_path / "all.zip")]) == 0
    assert capsys.readouterr().out == f"CoreNLP is in {folder}\nSPICE is ready\n"


@pytest.mark.parametrize("kind", ["download", "zip", "folder"])
def test_room_is_asked_for_first(
    kind: str, folder: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.zip").write_bytes(ZIP)
    for name, data in CONTENT.items():
        (tmp_path / name).write_bytes(data)
    source = {"download": None, "zip": tmp_path / "all.zip", "folder": tmp_path}[kind]
    free_bytes(monkeypatch, 1000)
    with pytest.raises(StorageError, match=r"(jars|bytes) of .* need .* kB in .* 1 kB are free"):
        install_corenlp(source, server.url)
    assert list(folder.iterdir()) == []
    free_bytes(monkeypatch, 10**9)
    install_corenlp(source, server.url)
    assert _installed(folder)


def test_a_disk_that_is_full_is_not_the_server_s_fault(folder: Path, server: Server) -> None:
    said = f"could not be written to {folder}: .*File too large"
    with files_end_at(len(ZIP) // 2), pytest.raises(DataError, match=said):
        install_corenlp(url=server.url)
    assert list(folder.iterdir()) == []
    install_corenlp(url=server.url)
    assert _installed(folder)
