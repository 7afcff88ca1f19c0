"""What is wrong with a machine or its packages, made up: each is found and said."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
from looking import look, raising

from bookkit.doctor import machine, packages


def test_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    finding = look(machine.python)
    assert finding.status == "broken" and "3.11" in finding.detail and "PYTHON=" in finding.fix


def test_gpu_that_pytorch_cannot_use_is_a_note(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_cuda_devices", list)
    monkeypatch.setattr(machine, "_mps_device", list)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert look(machine.pytorch).status == "note"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert look(machine.pytorch).status == "ok"
    monkeypatch.setattr(machine, "_cuda_devices", raising(RuntimeError("no kernel image")))
    assert look(machine.pytorch)[:2] == ("RuntimeError: no kernel image", "broken")


def test_threads_beyond_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    assert look(machine.cores).status == "note"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert look(machine.cores).status == "ok"


def test_little_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    assert machine._container_limit(limit) is None
    limit.write_text("max\n")
    assert machine._container_limit(limit) is None
    limit.write_text("1500000000\n")
    assert machine._container_limit(limit) == 1.5
    monkeypatch.setattr(machine, "_container_limit", lambda: 1.5)
    finding = look(machine.memory)
    assert finding.status == "note" and "this container may use 1.5 GB" in finding.detail


def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    finding = look(machine.disk)
    assert finding.status == "broken" and finding.detail.startswith("0.0 GB free")


def test_folders_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path / "new"))
    assert look(machine.folders).status == "ok"
    assert not (tmp_path / "new").exists(), "looking makes nothing"
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    (tmp_path / "runs").write_text("a file where the folder should be")
    finding = look(machine.folders)
    assert finding.status == "broken" and str(tmp_path / "runs") in finding.detail
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path / "runs"))
    assert look(machine.cache_folder).fix == "export GEGCORE_CACHE=FOLDER"


def test_read_only_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Not by chmod: root, whom tests may run as, writes everywhere.
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(read_only))
    finding = look(machine.folders)
    assert finding.status == "broken" and "Read-only file system" in finding.detail
    assert "GEGCORE_HOME" in finding.fix


def test_packages_against_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    required = [
        "numpy>=1.0",
        "surely-not-installed>=2",
        "pytest>=9999; extra == 'test'",
        "never; python_version < '3' and extra == 'book'",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: required)
    own, book, test = (look(partial(packages.packages, x)) for x in ("", "book", "test"))
    assert own[:2] == ("1 of 2 packages: surely-not-installed", "missing")
    assert book == ("0 packages", "ok", "")
    assert test.status == "missing" and "pytest>=9999 (here: " in test.detail
    assert test.fix == "make setup"
    missing = importlib.metadata.PackageNotFoundError("gegcore")
    monkeypatch.setattr(importlib.metadata, "requires", raising(missing))
    assert look(packages.packages).status == "missing"


def test_versions_against_constraints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    assert "not here" in look(packages.versions).detail
    torch = importlib.metadata.version("torch").split("+")[0]  # a local build is the same version
    text = "# a comment\n\nsurely-not-installed==1\nnever==1; python_version < '3'\n"
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"{text}torch=={torch}\n")
    assert look(packages.versions).status == "ok"
    constraints.write_text(f"{text}numpy==0.0.1\ntorch=={torch}\n")
    finding = look(packages.versions)
    assert finding.status == "note" and finding.detail.startswith("1 differ: numpy ")
    assert "(book: 0.0.1)" in finding.detail


def test_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert look(packages.chromium).status == "missing"
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert look(packages.chromium) == ("/bin/chromium", "ok", "")
