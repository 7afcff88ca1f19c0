"""`make`, with a uv and a Python that only pretend: what is installed when, what a shell sees."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REAL = shlex.quote(sys.executable)
UV = """#!/bin/sh
echo "$@" >> calls.txt
if [ "$1" = venv ]; then
  for folder; do :; done
  mkdir -p "$folder/bin"
  cp python-that-tells "$folder/bin/python"
fi
if [ "$1" = cache ]; then pwd; fi
if [ "$2" = install ] && [ -e fail ]; then exit 1; fi
"""
PYTHON = """#!/bin/sh
printf "<%s>" "$@" >> calls.txt
echo >> calls.txt
"""
pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed"),
    pytest.mark.skipif(sys.version_info < (3, 11), reason="make needs Python 3.11"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make setup` reads, in a folder whose name a careless recipe would take apart."""
    folder = tmp_path / "with space ü 'n $HOME"
    (folder / "bookkit").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "bookkit/install.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "calls.txt").touch()
    write_program(tmp_path / "programs" / "uv", UV)
    write_program(folder / "python-that-tells", PYTHON)
    return folder


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ours = {"PROFILE", "CORES", "PYTHON", "VENV", "UV", "TESTS"}  # of the make that runs the tests
    kept = {n: v for n, v in os.environ.items() if n not in ours and not n.startswith("MAKE")}
    path = f"{checkout.parent / 'programs'}:{Path(sys.executable).parent}:{kept['PATH']}"
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={**kept, "PATH": path, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
    )


def called(checkout: Path) -> list[str]:
    """What was called since the last time one asked."""
    lines = (checkout / "calls.txt").read_text().splitlines()
    (checkout / "calls.txt").write_text("")
    return [line for line in lines if not line.startswith(("cache", "--version"))]


def set_up(checkout: Path, *arguments: str) -> list[str]:
    done = make(checkout, "installed", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return called(checkout)


def test_setup_installs_the_pinned_versions_once(checkout: Path) -> None:
    created, installed, checked = set_up(checkout)
    assert created.startswith("venv ") and created.endswith(" .venv")
    assert "pip install" in installed and "--constraint constraints.txt" in installed
    assert f"--python {checkout}/.venv/bin/python" in installed
    assert checked.startswith("pip check")
    assert set_up(checkout) == []
    assert make(checkout, "setup").returncode == 0
    assert [call.split()[1] for call in called(checkout)] == ["install", "check"], "asked to mend"


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_what_is_asked_for_counts_and_not_its_time_stamp(checkout: Path, name: str) -> None:
    set_up(checkout)
    later = (checkout / ".venv" / "installed.txt").stat().st_mtime + 10
    os.utime(checkout / name, (later, later))
    assert set_up(checkout) == []
    with (checkout / name).open("a") as stream:
        stream.write("# other\n")
    os.utime(checkout / name, (0, 0))
    assert [call.split()[1] for call in set_up(checkout)] == ["install", "check"]
    assert set_up(checkout) == []


def test_a_failed_installation_is_begun_anew(checkout: Path) -> None:
    (checkout / "fail").touch()
    done = make(checkout, "setup")
    assert done.returncode != 0 and "the installation failed" in done.stderr
    (checkout / ".venv" / "leftover").touch()
    (checkout / "fail").unlink()
    called(checkout)
    assert set_up(checkout)[0].startswith("venv ")
    assert not (checkout / ".venv" / "leftover").exists()


@pytest.mark.parametrize("damage", ["no python", "python leads nowhere", "folder moved"])
def test_an_environment_that_broke_is_made_anew(checkout: Path, damage: str) -> None:
    set_up(checkout)
    python = checkout / ".venv" / "bin" / "python"
    if damage == "folder moved":
        checkout = checkout.rename(checkout.with_name("elsewhere"))
    else:
        python.unlink()
    if damage == "python leads nowhere":
        python.symlink_to("/gone/python3")
    assert set_up(checkout)[0].startswith("venv ")
    assert set_up(checkout) == []


def test_an_environment_of_somebody_else_is_never_removed(checkout: Path) -> None:
    """Half made, without pip; by the default name it is set aside, by another it is refused."""
    for name in (".venv", "mine"):
        (checkout / name / "bin").mkdir(parents=True)
        (checkout / name / "precious").touch()
        (checkout / name / "bin" / "python").symlink_to("/gone/python3")
    assert set_up(checkout)[0].startswith("venv ")
    assert (checkout / ".venv.old1" / "precious").exists()
    done = make(checkout, "setup", "VENV=mine")
    assert done.returncode != 0 and "mine is no environment that works" in done.stderr
    assert (checkout / "mine" / "precious").exists() and called(checkout) == []
    (checkout / "runs" / "quick").mkdir(parents=True)
    assert make(checkout, "clean", "VENV=mine").returncode == 0
    assert (checkout / "runs" / "quick").is_dir(), "what was trained is not made again in a moment"
    assert (checkout / "mine" / "precious").exists()
    assert not (checkout / ".venv").exists()


def test_an_environment_that_works_is_taken_and_all_is_installed_again(checkout: Path) -> None:
    real = f'#!/bin/sh\nexec {REAL} "$@"\n'
    write_program(checkout / ".venv" / "bin" / "python", real)
    assert "--reinstall" in set_up(checkout)[0]
    stamp = json.loads((checkout / ".venv" / "installed.txt").read_text())
    assert stamp["made_by"] == "others"


def test_a_python_that_is_named_replaces_another(checkout: Path) -> None:
    set_up(checkout)
    stamp = checkout / ".venv" / "installed.txt"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "/other/python3.12"}))
    assert set_up(checkout) == [], "python3 by default is not asked for"
    assert set_up(checkout, f"PYTHON={sys.executable}")[0].startswith("venv ")
    assert set_up(checkout, f"PYTHON={sys.executable}") == []


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.8.1", "3.10.12"])
def test_an_old_python_is_refused_before_anything_is_made(checkout: Path, version: str) -> None:
    numbers = tuple(map(int, version.split(".")))
    patched = f"import runpy, sys; sys.version_info = {numbers}; sys.version = '{version} (main)'; "
    code = "exec(sys.argv.pop(1)) if sys.argv[1:2] != ['-I'] else "
    code += "(sys.argv.pop(0), sys.argv.pop(0), runpy.run_path(sys.argv[0], run_name='__main__'))"
    run = f'if [ "$1" = -c ]; then shift; fi\nexec {REAL} -c "{patched}{code}" "$@"\n'
    write_program(checkout / "old-python", f"#!/bin/sh\n{run}")
    done = make(checkout, "book", "PYTHON=./old-python")
    assert done.returncode != 0
    assert "gegcore needs Python 3.10 or newer" in done.stderr and "make PYTHON=" in done.stderr
    assert called(checkout) == [] and not (checkout / ".venv").exists()


def test_a_uv_that_is_named_has_to_be_there(checkout: Path) -> None:
    done = make(checkout, "setup", "UV=no-such-uv")
    assert done.returncode != 0 and "there is no program no-such-uv" in done.stderr
    assert not (checkout / ".venv").exists()


NASTY = ["a b", "x; touch ran", "$(touch ran)", "`touch ran`", "it's", '"', "*"]


@pytest.mark.parametrize("value", NASTY)
def test_what_is_set_reaches_no_shell(checkout: Path, value: str) -> None:
    set_up(checkout)
    escaped = value.replace("$", "$$")  # make's own sign
    for target in ("book", "plan", "test", "help"):
        done = make(checkout, target, f"PROFILE={escaped}", f"CORES={escaped}")
        assert done.returncode == 0, done.stderr
    said = (checkout / "calls.txt").read_text()
    assert f"<--profile><{value}>" in said and f"<-n><{value}>" in said
    assert not (checkout / "ran").exists()


def test_smoke_is_the_book_of_that_profile(checkout: Path) -> None:
    set_up(checkout)
    make(checkout, "smoke", "PROFILE=quick")
    assert "<--profile><smoke>" in called(checkout)[0]


def test_help_lists_every_target(checkout: Path) -> None:
    text = make(checkout, "help").stdout
    for target in ("setup", "book", "smoke", "plan", "lab", "test", "lint", "clean"):
        assert re.search(rf"make {target}\b", text), target
