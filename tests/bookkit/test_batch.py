"""Notebooks in batch: parameters are checked, failures say where, nothing outlives its parent."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bookkit.batch import main, notebook_parameters, read_notebook
from gegcore.errors import DataError

TINY = Path(__file__).parents[1] / "fixtures" / "notebooks" / "tiny.ipynb"


def start(page: Path, *options: str, source: Path = TINY) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bookkit.batch", str(source), str(page), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def run(page: Path, *options: str, source: Path = TINY) -> tuple[int, str]:
    """Exit status and what was said."""
    process = start(page, *options, source=source)
    said = process.communicate(timeout=120)[1]
    # jupyter_client interrupts a kernel before it asks it to end; now and then the kernel says so.
    lines = [line for line in said.splitlines(keepends=True) if "[IPKernelApp]" not in line]
    return process.returncode, "".join(lines)


def outputs(path: Path) -> str:
    """All text that the cells of a notebook printed."""
    cells = json.loads(path.read_text())["cells"]
    streams = [out for cell in cells for out in cell.get("outputs", []) if "text" in out]
    return "".join("".join(stream["text"]) for stream in streams)


def kernel_pid(log: Path) -> int:
    """Process id that the tiny notebook printed; waits for it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = re.search(r"kernel (\d+)", outputs(log))
        except (OSError, ValueError):  # not there yet, or caught in the middle of a save
            found = None
        if found:
            return int(found.group(1))
        time.sleep(0.1)
    raise AssertionError("the notebook never started")


def gone(pid: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_parameters_reach_the_cells_in_this_python(tmp_path: Path) -> None:
    page = tmp_path / "new" / "out.ipynb"
    assert run(page, "-p", "profile", "quick", "-p", "rate", "2e-1") == (0, "[out] half way\n")
    text = outputs(page)
    assert "profile quick rate 0.2" in text
    assert sys.executable in text
    assert text.rstrip().endswith("end")


def test_plain_papermill_runs_the_same_notebook(tmp_path: Path) -> None:
    page = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", str(TINY), str(page), "-p", "profile", "quick"]
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert "profile quick rate 0.5" in outputs(page)


def test_failure_names_cell_and_line_and_keeps_what_ran(tmp_path: Path) -> None:
    page = tmp_path / "out.ipynb"
    status, said = run(page, "-p", "fail", "True")
    assert status == 1
    assert "gegcore: notebook tiny.ipynb failed" in said and "In [5]" in said
    assert 'raise ValueError("asked to fail")' in said
    assert said.endswith(f"  -> what ran is in {page}\n")
    assert "profile smoke" in outputs(page)


def test_runs_side_by_side(tmp_path: Path) -> None:
    pages = [tmp_path / f"{number}.ipynb" for number in range(3)]
    running = [start(page) for page in pages]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert len({re.search(r"kernel (\d+)", outputs(page)).group(1) for page in pages}) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_kernel_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    page = tmp_path / "out.ipynb"
    process = start(page, "-p", "pause", "100")
    pid = kernel_pid(page)
    assert psutil.pid_exists(pid)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert gone(pid)
    assert "kernel" in outputs(page)


def test_dead_kernel_is_an_error_that_names_the_cell(tmp_path: Path) -> None:
    page = tmp_path / "out.ipynb"
    process = start(page, "-p", "pause", "100")
    os.kill(kernel_pid(page), signal.SIGKILL)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "tiny.ipynb: the kernel died in the cell `time.sleep(pause)`" in error


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path: Path) -> None:
    page = tmp_path / "out.ipynb"
    status, said = run(page, "-p", "profil", "smoke")
    assert status == 1
    assert "tiny.ipynb has no parameter 'profil'\n  -> did you mean 'profile'? it has: pro" in said
    assert not page.exists()


def test_defaults_of_the_parameters_cell() -> None:
    defaults = {"profile": "smoke", "rate": 0.5, "fail": False, "pause": 0.0}
    assert notebook_parameters(TINY) == defaults


@pytest.mark.parametrize("content", [None, "", "{}", '{"cells": 3}'])
def test_unreadable_notebook(tmp_path: Path, content: str | None) -> None:
    source = tmp_path / "broken.ipynb"
    if content is not None:
        source.write_text(content)
    with pytest.raises(DataError, match=r"broken\.ipynb"):
        read_notebook(source)


def test_a_page_that_finds_no_room_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bookkit.batch.command.main", failing)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert main([str(TINY), str(tmp_path / "page.ipynb")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"gegcore: {tmp_path / 'page.ipynb'}: ")
    assert "No space left on device\n  -> free some room" in said


def link(source: Path, name: str) -> Path:
    made = source.with_name(name)
    made.symlink_to(source)
    return made


def hard_link(source: Path, name: str) -> Path:
    made = source.with_name(name)
    os.link(source, made)
    return made


@pytest.mark.parametrize(
    "spelled",
    [
        lambda source: source,
        lambda source: source.parent / "." / ".." / source.parent.name / source.name,
        lambda source: Path(os.path.relpath(source)),
        lambda source: link(source, "link.ipynb"),
        lambda source: hard_link(source, "hard.ipynb"),
    ],
)
def test_the_source_is_never_the_output(tmp_path: Path, spelled: Any) -> None:
    source = tmp_path / "mine.ipynb"
    shutil.copy(TINY, source)
    status, said = run(spelled(source), source=source)
    assert status == 1 and "is what is read" in said
    assert source.read_bytes() == TINY.read_bytes()


def test_what_somebody_wrote_is_never_the_output(tmp_path: Path) -> None:
    """Another notebook, and a file of parameters; what papermill made is made again."""
    other, parameters = tmp_path / "other.ipynb", tmp_path / "parameters.yaml"
    shutil.copy(TINY, other)
    parameters.write_text("profile: quick\n")
    for output, options in ((other, []), (parameters, ["-f", str(parameters)])):
        before = output.read_bytes()
        status, said = run(output, *options)
        assert status == 1 and f"the output {output}" in said
        assert output.read_bytes() == before
    status, said = run(parameters, f"--parameters_file={parameters}")
    assert status == 1 and parameters.read_text() == "profile: quick\n"
    half = tmp_path / "half.ipynb"
    half.write_text('{"cells": [')  # left by a run that was killed
    assert run(half)[0] == 0
    assert run(half, "-p", "profile", "again")[0] == 0
    assert "profile again" in outputs(half)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"1"])
def test_no_notebook_at_all_is_named(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "broken.ipynb"
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.ipynb"):
        read_notebook(source)
    with pytest.raises(DataError, match="not a readable notebook"):
        read_notebook(tmp_path)


def test_raw_parameters_stay_words(tmp_path: Path) -> None:
    """A profile may be called 007, which `-p` would make a number of."""
    page = tmp_path / "out.ipynb"
    assert run(page, "-r", "profile", "007")[0] == 0
    assert "profile 007" in outputs(page)
