"""Imports point down only: the contracts of `pyproject.toml`, which `make lint` checks too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytest.importorskip("importlinter", reason="import-linter needs Python 3.11")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_imports_point_down() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("gegcore/gap.py", "emoji_scenes.dataset"),
        ("gegcore/gap.py", "gegcore.experiment"),
        ("gegcore/cli.py", "caption_evaluation.files"),
        ("photographs/imagenet.py", "emoji_scenes.dataset"),
        ("emoji_scenes/dataset.py", "bookkit.dag"),
        ("bookkit/dag.py", "emoji_scenes.training_scripts.clip_loss"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, module: str, imported: str) -> None:
    """The contracts can fail: a checkout of nothing but imports."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for package in (
        "gegcore",
        "caption_evaluation",
        "photographs",
        "emoji_scenes",
        "rivals",
        "bookkit",
    ):
        for path in (ROOT / package).rglob("*.py"):
            empty = tmp_path / path.relative_to(ROOT)
            empty.parent.mkdir(parents=True, exist_ok=True)
            empty.touch()
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / module).write_text(f"import {imported}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1 and imported.split(".")[0] in done.stdout
