"""`make book`: Snakemake, minus what a killed run leaves behind (locks, half jobs, orphans)."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from gegcore.errors import ConfigError, GegError, MissingDependencyError
from gegcore.profiles import load_profile

# Every process of a build carries these two, so that a later build knows them for what they are.
_ROOT = "GEGCORE_BUILD_ROOT"
_SUPERVISOR = "GEGCORE_BUILD_PROCESS"
_GRACE = 10  # seconds between asking a process to end and ending it
# What Snakemake says between its messages; its own log keeps it.
_CHATTER = re.compile(
    r"\s*$|\[\w{3} \w{3} +\d|Select jobs|Execute \d+ jobs|Finished jobid|Assuming unrestricted"
    r"|Building DAG|Using shell|Provided cores|Rules claiming|Job stats|job +count|-+ +-+$"
    r"|Complete log|\w+ +\d+$|host:|Touching output"
    r"|.*\|.*\[00:0\d<"  # a progress bar younger than ten seconds
)


def build(profile: str, cores: int, root: Path, options: Sequence[str] = ()) -> int:
    """Run the whole DAG of `Snakefile` in `root`; a second call continues where one broke off.

    Args:
        profile: name of a profile.
        cores: jobs side by side; training uses one core each.
        root: checkout with Snakefile, notebooks/ and book/.
        options: passed on to Snakemake.

    Returns:
        Snakemake's exit status.

    Raises:
        ConfigError: unknown profile, or less than one core.
        GegError: another build of this folder is running.
        MissingDependencyError: Snakemake is not installed (it needs Python 3.11).
    """
    load_profile(profile)
    if cores < 1:
        raise ConfigError(f"--cores {cores} leaves nobody to work", "give 1 or more")
    end_orphans(root)
    arguments = ["--config", f"profile={profile}"]
    if any((root / ".snakemake" / "locks").glob("*")):
        print("gegcore: an earlier build was killed; going on where it stopped", file=sys.stderr)
        _snakemake(root, [*arguments, "--unlock"], quiet=True)
    arguments += ["--cores", str(cores), "--rerun-incomplete", *options]
    try:
        return _snakemake(root, arguments)
    finally:
        _end(_processes(root))


def end_orphans(root: Path) -> None:
    """End processes of this folder's builds whose supervisor is gone (killed with SIGKILL).

    Raises:
        GegError: the supervisor is alive.
    """
    orphans = []
    for process, supervisor in _processes(root):
        if process.pid == supervisor or psutil.pid_exists(supervisor):
            raise GegError(
                f"another build of this folder is running (process {supervisor})",
                f"wait for it, or stop it: kill {supervisor}",
            )
        orphans.append((process, supervisor))
    if orphans:
        print(f"gegcore: ending {len(orphans)} processes of a killed build", file=sys.stderr)
    _end(orphans)


def _processes(root: Path) -> list[tuple[psutil.Process, int]]:
    """Other processes of builds of `root`, each with the process id of its supervisor."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = process.environ()
        except (psutil.Error, OSError):  # another user's, or gone meanwhile
            continue
        if environment.get(_ROOT) == str(root) and environment.get(_SUPERVISOR, "").isdigit():
            found.append((process, int(environment[_SUPERVISOR])))
    return found


def _end(processes: list[tuple[psutil.Process, int]]) -> None:
    # Never a process of our own ancestors: a build may itself be started from within another.
    ancestors = {parent.pid for parent in psutil.Process().parents()}
    ours = [process for process, _ in processes if process.pid not in ancestors]
    for process in ours:
        _quietly(process.terminate)
    _, stubborn = psutil.wait_procs(ours, timeout=_GRACE)
    for process in stubborn:
        _quietly(process.kill)


def _quietly(action: Any) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        action()


def _snakemake(root: Path, arguments: Sequence[str], quiet: bool = False) -> int:
    """Run Snakemake, pass its messages on, and repeat ours at the end, where a person looks."""
    environment = {
        "TQDM_MININTERVAL": "15",
        "GEGCORE_HOME": str(root),
        **os.environ,
        _ROOT: str(root),
        _SUPERVISOR: str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "snakemake", "--quiet", "host", "reason", *arguments]
    ours: list[str] = []
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as running:
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            assert running.stdout is not None
            for line in running.stdout:
                if line.startswith("gegcore: ") or (ours and line.startswith("  -> ")):
                    ours.append(line)
                if not quiet and not _CHATTER.match(line):
                    print(re.sub(r"^Job \d+: ", "> ", line), end="", flush=True)
        except BaseException:  # Ctrl-C, SIGTERM: nothing may go on behind the user's back
            _end(_processes(root))
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
    if running.returncode and ours and not quiet:
        print("\nThe build failed:\n" + "".join(ours), file=sys.stderr)
    return running.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bookkit.build --profile quick --cores 2 [options of Snakemake]`."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.build", description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parsed, options = parser.parse_known_args(arguments)
    root = Path.cwd().resolve()
    try:
        if sys.version_info < (3, 11):
            raise MissingDependencyError(
                "the book's pipeline (Snakemake) needs Python 3.11 or newer",
                "make clean, then make book PYTHON=python3.12",
            )
        status = build(parsed.profile, parsed.cores, root, options)
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngegcore: stopped; `make book` goes on from here", file=sys.stderr)
        return 130
    page = root / "_build" / "html" / "index.html"
    if status == 0 and page.is_file():
        print(f"The book is ready: {page}")
    return status


if __name__ == "__main__":
    sys.exit(main())
