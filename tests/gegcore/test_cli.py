"""The command line: help, errors that users can mend, archives of finished runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookkit.report.archive import KEPT, archive
from gegcore.cli import main
from gegcore.errors import DataError
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    return tmp_path


def finish(objective: str) -> None:
    run = RunFolder.of("smoke", "transformer", objective, 1)
    for name in (*KEPT, "checkpoint.safetensors"):
        write_json(run.file(name), {"name": name})
    write_json(run.file("evaluation.json"), {"key": "k"})


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("", "prepare", "run", "import-xmodaler", "archive", "doctor", "profiles"):
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"] if command else ["--help"])
        assert stopped.value.code == 0
        assert "usage" in capsys.readouterr().out


def test_errors_name_the_fix_and_exit_with_1(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--profile", "smok"]) == 1
    said = capsys.readouterr().err
    assert "no profile 'smok'" in said and "did you mean 'smoke'" in said


def test_profiles_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles"]) == 0
    assert {"quick", "smoke"} <= set(capsys.readouterr().out.split())


def test_archive_keeps_small_files_of_all_runs_or_none(home: Path, tmp_path: Path) -> None:
    profile, target = load_profile("smoke"), tmp_path / "results"
    finish("mle")
    with pytest.raises(DataError, match="transformer-scst-seed1 is not finished"):
        archive(profile, target)
    assert not target.exists()
    finish("scst")
    finish("scst_geg")
    assert main(["archive", "--profile", "smoke", "--to", str(target)]) == 0
    folder = target / "smoke" / "transformer-scst_geg-seed1"
    assert sorted(path.name for path in folder.iterdir()) == sorted(KEPT)
