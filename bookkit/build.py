"""`make book`: Snakemake, minus what a killed run leaves behind (locks, half jobs, orphans)."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from bookkit.experiments import experiments
from bookkit.stale import FINISHED, reopen
from gegcore.data.dataset import SPLITS
from gegcore.errors import GegError, StorageError, writing
from gegcore.profiles import Profile, load_profile
from gegcore.storage import need_room

# Every process of a build has its folder in the environment: the next build knows it by that.
_ROOT = "GEGCORE_BUILD_ROOT"
_GRACE = 10  # seconds between asking a process to end and ending it
_LEAST = 50e6  # bytes: pages, logs and what Snakemake keeps of the smallest book
_OPTIONS = ["--rerun-incomplete", "--show-failed-logs", "--quiet", "host", "reason"]
_CHECKOUT = Path(__file__).resolve().parents[1]


def build(
    profile: str, cores: int, root: Path, options: Sequence[str] = (), again: bool = False
) -> int:
    """Run the whole DAG of `Snakefile` in `root`; a second call continues where one broke off.

    Args:
        profile: a name in `config/`, or the path of a file.
        cores: jobs side by side; training uses one core each.
        options: passed on to Snakemake, whose exit status is returned.
        again: train anew what older code made; the old runs are kept beside the new ones.

    Raises:
        ConfigError: unknown profile.
        StorageError: next to nothing is free on the disk.
        GegError: another build of this folder is running.
    """
    profile = _seen_from(root, profile)
    settings = load_profile(profile if _is_name(profile) else str(root / profile))
    if {"-n", "--dry-run"} & {*options}:  # A plan changes nothing, and can be made during a build.
        return subprocess.call([*_snakemake(cores), *options], cwd=root, env=_environment(profile))
    need_room(root, _LEAST, "the files of a build")
    state = root / ".snakemake"
    state.mkdir(exist_ok=True)
    owner = state / "build.pid"
    try:
        with FileLock(state / "build.lock", timeout=0):  # ends with this process, however it ends
            owner.write_text(str(os.getpid()))
            _look_for_room(settings, cores, root)
            runs = f"runs/{settings.name}"
            forced = [f"{runs}/{name}/{FINISHED}" for name in reopen(settings, again)]
            more = ["--forcerun", *forced] if forced else []
            return _build(profile, cores, root, [*options, *more])
    except Timeout as error:
        number = owner.read_text()
        what = f"another build of this folder is running (process {number})"
        raise GegError(what, f"wait for it, or stop it: kill {number}") from error


def room(profile: Profile, cores: int) -> float:
    """Bytes that a build takes from nothing, about: measured on the profiles smoke and quick."""
    images = sum(profile.data.size(split) for split in SPLITS)
    runs, captioner = len(experiments(profile)), 8e6  # bytes of two million weights
    # Of an image: features 10 kB, CLIP's and judges' embeddings and annotations the rest. Of a run:
    # checkpoint, captions and page; and where one trains, two states of four times its weights.
    return 150e6 + 15e3 * images + runs * (captioner + 2e6) + min(cores, runs) * 8 * captioner


def _look_for_room(profile: Profile, cores: int, root: Path) -> None:
    """Say if the disk seems too small, and go on: what a build takes is an estimate."""
    made = (root / name / profile.name for name in ("artifacts", "runs"))
    there = sum(path.stat().st_size for folder in made for path in folder.rglob("*.*"))  # files
    try:
        need_room(root, room(profile, cores) - there, f"builds of {profile.name}")
    except StorageError as error:
        print(f"gegcore: by an estimate, {error.what}; going on", file=sys.stderr)


def _is_name(profile: str) -> bool:
    return not profile.endswith((".yaml", ".yml"))


def _seen_from(root: Path, profile: str) -> str:
    """A path from the working directory as one from `root`, where Snakemake and notebooks run."""
    if _is_name(profile):
        return profile
    path = Path(profile).expanduser()
    path = path.parent.resolve() / path.name  # A link to a file is a profile of its own name.
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _snakemake(cores: int) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", str(cores)]


def _environment(profile: str, **more: str) -> dict[str, str]:
    return {"TQDM_MININTERVAL": "15", **os.environ, "GEGCORE_PROFILE": profile, **more}


def _build(profile: str, cores: int, root: Path, options: Sequence[str]) -> int:
    command, environment = _snakemake(cores), _environment(profile, **{_ROOT: str(root)})
    locked = any((root / ".snakemake" / "locks").glob("*"))
    if end_processes(root) or locked:
        print("gegcore: an earlier build was killed; going on where it stopped", file=sys.stderr)
        unlock = [*command, "--unlock", "--quiet", "all"]
        subprocess.run(unlock, cwd=root, env=environment, check=True)
    try:
        return subprocess.call([*command, *_OPTIONS, *options], cwd=root, env=environment)
    finally:  # also after Ctrl-C and SIGTERM: nothing may go on behind the user's back
        end_processes(root)


def end_processes(root: Path) -> int:
    """End what runs of a build of this folder, except this process and those that started it."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        # Another user's process, or one that is gone meanwhile, raises.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in own and process.environ().get(_ROOT) == str(root):
                process.terminate()
                found.append(process)
    for process in psutil.wait_procs(found, timeout=_GRACE)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bookkit.build --profile quick --cores 2 [options of Snakemake]`."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.build", description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--again",
        action="store_true",
        help="train anew what older code made; the old runs are kept beside the new ones",
    )
    parsed, options = parser.parse_known_args(arguments)
    here = Path.cwd().resolve()
    root = here if (here / "Snakefile").is_file() else _CHECKOUT
    os.environ["GEGCORE_HOME"] = str(root)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with writing():
            return build(parsed.profile, parsed.cores, root, options, parsed.again)
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ngegcore: stopped; `make book` goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
