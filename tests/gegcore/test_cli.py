"""The command line: help, commands of other packages, errors that users can mend."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from full_disk import files_end_at

from gegcore import cli, registry
from gegcore.cli import main
from gegcore.metrics.java import LineProcess


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Commands in `gegcore --help`."""
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    return re.findall(r"^    ([\w-]+)", capsys.readouterr().out, re.MULTILINE)


def test_every_command_is_listed_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    commands = listed(capsys)
    assert {"prepare", "run", "evaluate", "profiles", "archive", "doctor"} <= set(commands)
    assert set(registry.names("command")) <= set(commands)
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert f"usage: gegcore {command}" in capsys.readouterr().out


ANNOUNCED = {
    "fine": "def add(commands):\n    commands.add_parser('fine', help='works')",
    "needy": "import surely_not_installed",
    "faulty": "raise OSError('libbroken.so')",
    "late": "def add(commands):\n    commands.add_parser('late').set_defaults(function=_late)\n"
    "def _late(_):\n    import surely_not_installed",
}


def test_help_does_not_wait_for_torch() -> None:
    """Nor does that of commands of our other packages."""
    code = (
        "import sys; from gegcore.cli import _parser; _parser(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_broken_command_of_another_package_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [EntryPoint("absent", "no_such_package.command", "gegcore.command")]
    for name, code in ANNOUNCED.items():
        (tmp_path / f"announced_{name}.py").write_text(code)
        entries.append(EntryPoint(name, f"announced_{name}", "gegcore.command"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    assert {"prepare", "fine", "needy", "faulty", "absent"} <= set(listed(capsys))
    assert main(["profiles"]) == 0
    capsys.readouterr()
    for name, said in [
        ("needy", "pip install surely_not_installed"),
        ("late", "pip install surely_not_installed"),
        ("faulty", "libbroken.so"),
        ("absent", "no_such_package"),
    ]:
        options = [] if name == "late" else ["--json", "x"]
        assert main([name, *options]) == 1
        error = capsys.readouterr().err
        assert error.startswith("gegcore: ") and said in error


def test_after_a_signal_no_thread_starts_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may be on its way to start METEOR when the command has already ended."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with monkeypatch.context() as patched:
        patched.setattr(cli, "_list_profiles", lambda _: os.kill(os.getpid(), signal.SIGTERM))
        assert main(["profiles"]) == 128 + signal.SIGTERM
    assert not LineProcess("late", command).alive()
    assert main(["profiles"]) == 0
    again = LineProcess("again", command)
    assert again.alive()
    again.close()


def test_errors_name_the_fix_and_exit_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--profile", "smok"]) == 1
    said = capsys.readouterr().err
    assert "no profile 'smok'" in said and "did you mean 'smoke'" in said


def test_names_in_errors_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b]0;title\x07\x9b2J\u202e\ngegcore: all is well"
    assert main(["evaluate", name, "--references", "none.json"]) == 1
    assert main(["evaluate", "none.json", "--references", name]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("gegcore: all") for line in lines)
    assert any(line.startswith("  -> ") for line in lines)


def test_profiles_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profiles"]) == 0
    assert {"quick", "smoke"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EIO"])
def test_a_full_disk_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    def failing() -> list[str]:
        raise OSError(getattr(errno, code), "why it failed", "some/file")

    monkeypatch.setattr("gegcore.profiles.profile_names", failing)
    assert main(["profiles"]) == 1
    assert capsys.readouterr().err.startswith("gegcore: some/file: why it failed\n  -> ")


def test_preparing_on_a_full_disk_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    data = tmp_path / "artifacts" / "smoke" / "data"
    with files_end_at(50_000):
        assert main(["prepare", "--profile", "smoke", "--stage", "data"]) == 1
    said = capsys.readouterr().err
    assert f"{data}/train.json cannot be written: File too large" in said and "free some" in said
    assert not list(data.iterdir())
    assert main(["prepare", "--profile", "smoke", "--stage", "data"]) == 0
