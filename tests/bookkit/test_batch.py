"""Notebooks in batch: parameters are checked, failures say where, nothing outlives its parent."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bookkit.batch import check_parameters, execute_notebook, notebook_parameters, parse_value
from gegcore.errors import ConfigError, DataError, GegError

TINY = Path(__file__).parent / "fixtures" / "notebooks" / "tiny.ipynb"


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
    execute_notebook(TINY, tmp_path / "out.ipynb", {"profile": "quick", "rate": 2})
    text = outputs(tmp_path / "out.ipynb")
    assert "profile quick rate 2.0" in text
    assert sys.executable in text
    assert text.rstrip().endswith("end")


def test_failure_names_cell_and_line_and_keeps_what_ran(tmp_path: Path) -> None:
    log = tmp_path / "log" / "tiny.ipynb"
    with pytest.raises(GegError) as caught:
        execute_notebook(TINY, tmp_path / "out.ipynb", {"fail": True}, log)
    message = str(caught.value)
    assert "tiny.ipynb" in message
    assert "code cell [5]" in message
    assert 'raise ValueError("asked to fail")' in message
    assert str(log) in message
    assert "profile smoke" in outputs(log)
    assert not (tmp_path / "out.ipynb").exists()


def test_failed_run_leaves_the_old_page(tmp_path: Path) -> None:
    page = tmp_path / "out.ipynb"
    page.write_text("the last good page")
    with pytest.raises(GegError):
        execute_notebook(TINY, page, {"fail": True})
    assert page.read_text() == "the last good page"


def test_runs_side_by_side(tmp_path: Path) -> None:
    pages = [tmp_path / f"{number}.ipynb" for number in range(3)]
    command = [sys.executable, "-m", "bookkit.batch", str(TINY)]
    running = [subprocess.Popen([*command, str(page)]) for page in pages]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert len({re.search(r"kernel (\d+)", outputs(page)).group(1) for page in pages}) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_kernel_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    log, page = tmp_path / "log.ipynb", tmp_path / "out.ipynb"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bookkit.batch",
            str(TINY),
            str(page),
            "-p",
            "pause",
            "100",
            "--log",
            str(log),
        ]
    )
    pid = kernel_pid(log)
    assert psutil.pid_exists(pid)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert gone(pid)
    assert not page.exists()


def test_dead_kernel_is_an_error_that_names_the_cell(tmp_path: Path) -> None:
    log = tmp_path / "log.ipynb"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bookkit.batch",
            str(TINY),
            str(tmp_path / "out.ipynb"),
            "-p",
            "pause",
            "100",
            "--log",
            str(log),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    os.kill(kernel_pid(log), signal.SIGKILL)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "kernel died in code cell" in error
    assert "time.sleep(pause)" in error


def test_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"no parameter 'profil'") as caught:
        check_parameters(TINY, {"profil": "smoke"})
    assert "did you mean 'profile'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("rate", "fast"), ("fail", 3), ("profile", [1]), ("rate", True)]
)
def test_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"parameter '{name}'"):
        check_parameters(TINY, {name: value})


def test_defaults_of_the_parameters_cell() -> None:
    assert notebook_parameters(TINY) == {
        "profile": "smoke",
        "rate": 0.5,
        "fail": False,
        "pause": 0.0,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("7", 7), ("true", True), ("[1, 2]", [1, 2]), ("scst_geg", "scst_geg")],
)
def test_command_line_values(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("content", [None, "", "{}", '{"cells": 3}'])
def test_unreadable_notebook(tmp_path: Path, content: str | None) -> None:
    source = tmp_path / "broken.ipynb"
    if content is not None:
        source.write_text(content)
    with pytest.raises(DataError, match=r"broken\.ipynb"):
        notebook_parameters(source)
