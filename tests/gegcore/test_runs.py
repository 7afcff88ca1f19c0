"""Where runs lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from gegcore import runs
from gegcore.runs import RunFolder, project_root

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with nothing said in the environment."""
    monkeypatch.delenv("GEGCORE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_checkout_keeps_its_runs_from_wherever_it_is_used(elsewhere: Path) -> None:
    assert project_root() == CHECKOUT
    assert RunFolder.of("smoke", "xlan", "mle", 1).path.is_relative_to(CHECKOUT / "runs")


def test_an_installed_package_writes_where_one_works(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_ABOVE", elsewhere / "site-packages")
    assert project_root() == elsewhere


def test_the_environment_has_the_last_word(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEGCORE_HOME", "here")
    assert project_root() == elsewhere / "here"
