"""Where runs lie."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from gegcore import runs
from gegcore.errors import StorageError
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


def test_one_process_at_a_time_trains_a_run(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, order = RunFolder.of("smoke", "xlan", "mle", 1), list[str]()

    def other() -> None:
        with run.alone():
            order.append("second")

    thread = Thread(target=other)
    with run.alone():
        thread.start()
        while "waiting for it" not in capsys.readouterr().err:
            assert thread.is_alive()
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]


def test_a_run_that_stops_lets_others_have_it(elsewhere: Path) -> None:
    run = RunFolder.of("smoke", "xlan", "mle", 1)
    with pytest.raises(KeyboardInterrupt), run.alone():
        raise KeyboardInterrupt
    with run.alone():
        pass


def test_a_place_that_cannot_be_written_is_named(elsewhere: Path) -> None:
    run = RunFolder(elsewhere / "file" / "run")
    run.path.parent.write_text("not a folder")
    with pytest.raises(StorageError, match="file"), run.alone():
        pass
