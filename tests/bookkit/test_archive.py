"""Finished runs under version control: all or none, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from finished_runs import write_records

from bookkit.report import archive as archived
from bookkit.report.archive import KEPT, SCORES, archive
from gegcore.cli import main
from gegcore.errors import DataError, StorageError
from gegcore.profiles import load_profile
from gegcore.runs import EVALUATED, TRAINED, RunFolder
from gegcore.storage import write_json


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    return tmp_path


CONTENT = {
    "config.yaml": {"profile": {"name": "smoke"}, "model": "transformer", "seed": 1},
    "provenance.json": {
        stage: {"git_revision": "12ab", "device": "x86_64", "versions": {}, "created": "2026-01-02"}
        for stage in ("trained", "evaluated")
    }
    | {"digests": {"training": "34cd"}},
}
BEAM = ["beam3.captions.json", "beam3.metrics.json"]


def finish(objective: str, variant: str = "") -> RunFolder:
    run = RunFolder.of("smoke", "transformer", objective, 1, variant)
    for name in {*KEPT, *BEAM, "checkpoint.safetensors"} - {TRAINED, EVALUATED}:
        write_json(run.file(name), CONTENT.get(name, {"name": name}))
    values = pd.DataFrame({"image_id": [1, 2], "CIDEr": [3.0, 4.0], "METEOR": [5.0, 6.0]})
    values.to_parquet(run.file("per_caption.parquet"))
    write_records(run, load_profile("smoke"), "transformer", objective)
    return run


def test_archive_keeps_small_files_of_all_runs_or_none(home: Path, tmp_path: Path) -> None:
    profile, target = load_profile("smoke"), tmp_path / "results"
    finish("mle")
    with pytest.raises(DataError, match="transformer-scst-seed1 is not finished"):
        archive(profile, target)
    assert not target.exists()
    assert main(["archive", "--profile", "smoke", "--to", str(target), "--finished"]) == 0
    assert [path.name for path in (target / "smoke").iterdir()] == ["transformer-mle-seed1"]
    assert (target / "ro-crate-metadata.json").is_file()
    finish("scst")
    finish("scst_geg")
    assert main(["archive", "--profile", "smoke", "--to", str(target)]) == 0
    folder = target / "smoke" / "transformer-scst_geg-seed1"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*KEPT, *BEAM, SCORES])
    assert list(pd.read_parquet(folder / SCORES)) == ["image_id", "CIDEr"]


def test_runs_with_other_weights_are_kept_beside(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for objective in ("mle", "scst", "scst_geg"):
        finish(objective)
    other = finish("scst_geg", "0123abcd")
    beside = {"transformer-scst_geg-seed1": [other]}
    monkeypatch.setattr(archived, "variants", lambda run: beside.get(run.name, []))
    kept = archive(load_profile("smoke"), tmp_path / "results")
    assert other.name in [path.name for path in kept] and len(kept) == 4
    assert (kept[-1].parent / other.name / SCORES).is_file()


def test_archive_never_overwrites_another_run(home: Path, tmp_path: Path) -> None:
    profile, target = load_profile("smoke"), tmp_path / "results"
    for objective in ("mle", "scst", "scst_geg"):
        finish(objective)
    kept = target / "smoke" / "transformer-scst_geg-seed1"
    archive(profile, target)
    (kept / "notes.txt").write_text("mine")
    (kept / "config.yaml").unlink()
    assert len(archive(profile, target)) == 3, "the same runs again, and what was missing"
    assert (kept / "config.yaml").is_file() and (kept / "notes.txt").is_file()
    (kept / "metrics.json").write_text("older numbers")
    (target / "smoke" / "transformer-mle-seed1" / "config.yaml").unlink()
    with pytest.raises(DataError, match="metrics.json is of another run"):
        archive(profile, target)
    assert (kept / "metrics.json").read_text() == "older numbers"
    assert not (target / "smoke" / "transformer-mle-seed1" / "config.yaml").exists()


def test_archive_is_not_kept_where_the_runs_are(home: Path, tmp_path: Path) -> None:
    for objective in ("mle", "scst", "scst_geg"):
        finish(objective)
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    for folder in (tmp_path / "runs", tmp_path / "link", tmp_path / "runs" / ".." / "runs"):
        with pytest.raises(DataError, match="is where the runs are"):
            archive(load_profile("smoke"), folder)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        archive(load_profile("smoke"), tmp_path / "file")
