"""`make setup`: a virtual environment with the exact versions of constraints.txt.

Run by the Python that PYTHON names, as a file: it needs the standard library of 3.7, so that an old
Python is refused in words and before the installation. uv installs, five times as fast as pip:
the one on PATH, else one that pip puts into the environment; `make UV=` leaves all to pip.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (".[java,photographs,scenes,book,test]", "pip")
CONSTRAINTS = ("--constraint", "constraints.txt")
STAMP = "installed.txt"
"""In the environment: what it was made for, once the whole installation went well, and by whom."""

_AS_UV_SAYS = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
"""Setting of pip -> environment variable of uv."""
_CHANGES_NOTHING = re.compile(
    "break-system-packages|(no-)?cache-dir|(no-)?compile|config-file|disable-pip-version-check|log|"
    "no-color|no-input|no-python-version-warning|no-warn-script-location|prefer-binary|quiet|"
    "progress-bar|require-virtualenv|retries|root-user-action|use-feature|use-pep517|user|verbose"
)


def main() -> None:
    """Make the environment, or bring it up to date, unless it is already as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    parser.add_argument("--uv", default="uv", help="empty: install with pip")
    parser.add_argument("--chosen", action="store_true", help="this Python, not what was before")
    parser.add_argument("--again", action="store_true", help="install even if all seems well")
    given = parser.parse_args()
    folder, python = given.venv, os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    stamp = read_stamp(folder)
    wanted = {"python": python, "folder": str(folder.resolve()), "versions": versions()}
    if not given.chosen:
        wanted["python"] = stamp.get("python", python)
    kept = can_run(folder) and all(stamp.get(k) == wanted[k] for k in ("python", "folder"))
    if kept and stamp.get("versions") == wanted["versions"] and not given.again:
        return
    uv = find_uv(given.uv)
    found = not kept and not stamp and usable(folder, python, given.chosen)
    if not kept and not found:
        refuse_old_python()
        make_room(folder, stamp)
        create(folder, python, uv)
        stamp = {"made_by": "make"}
    write_stamp(folder, {name: stamp[name] for name in stamp if name == "made_by"})
    # Nobody knows what is missing from an environment that was found: all is installed again.
    install(folder, uv or (fetch_uv(folder) if given.uv else None), again=found)
    write_stamp(folder, {"made_by": "others", **stamp, **wanted})


def versions() -> str:
    """Digest of what is asked for, and of where: an editable installation points to this folder."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*files, os.fsencode(str(ROOT))])).hexdigest()


def read_stamp(folder: Path) -> dict[str, str]:
    """What an environment was made for; who made it, alone, for one that is half made."""
    try:
        return dict(json.loads((folder / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def write_stamp(folder: Path, stamp: dict[str, str]) -> None:
    (folder / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def program(folder: Path, name: str) -> str:
    return str(folder.absolute() / "bin" / name)


def can_run(folder: Path) -> bool:
    return os.access(program(folder, "python"), os.X_OK)  # False for a link that leads nowhere.


def usable(folder: Path, python: str, chosen: bool) -> bool:
    """Whether an environment that make did not make has pip, and a Python that is right."""
    ask = "import os, pip, sys; print(os.path.realpath(sys._base_executable)); "
    ask += "sys.exit(sys.version_info < (3, 11))"
    if not can_run(folder):
        return False
    run = subprocess.run([program(folder, "python"), "-c", ask], capture_output=True, text=True)
    return run.returncode == 0 and (not chosen or run.stdout.strip() == python)


def refuse_old_python() -> None:
    if sys.version_info < (3, 11):
        stop(
            "gegcore needs Python 3.10 or newer, and make 3.11, for Snakemake; "
            f"{sys.executable} is {sys.version.split()[0]}",
            "name another: make PYTHON=python3.12 ...",
        )


def make_room(folder: Path, stamp: dict[str, str]) -> None:
    """Remove an environment that make made, or set aside what else lies there."""
    if folder.is_symlink():
        folder.unlink()
    elif stamp.get("made_by") == "make":
        print(f"gegcore: {folder} is half made, or for another Python: making it anew", flush=True)
        shutil.rmtree(folder)
    elif folder.is_dir() and any(folder.iterdir()):
        if str(folder) != ".venv":
            what = f"{folder} is no environment that works, and make did not make it"
            stop(what, "remove it, or name another: make VENV=FOLDER ...")
        aside = next(p for p in (Path(f".venv.old{n}") for n in range(1, 10**6)) if not p.exists())
        folder.rename(aside)
        print(f"gegcore: {folder} does not work; it is {aside} now", flush=True)


def create(folder: Path, python: str, uv: str | None) -> None:
    print(f"gegcore: making {folder} with Python {sys.version.split()[0]}", flush=True)
    if uv:
        env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        command = [uv, "venv", "--quiet", "--python", python, str(folder)]
        if subprocess.run(command, env=env).returncode:
            stop(f"uv could not make {folder}", "without uv: make UV= ...")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_stamp(folder, {"made_by": "make"})  # Before: a killed one is known for what it is.
    if subprocess.run([python, "-m", "venv", str(folder)]).returncode:
        fix = "on Debian: apt-get install python3-venv; or put uv on PATH; or another PYTHON="
        stop(f"{python} could not make {folder}", fix)


def find_uv(name: str) -> str | None:
    """The uv that was named or is on PATH, if it runs: a stand-in may just say it is absent."""
    found = shutil.which(name) if name else None
    if found and subprocess.run([found, "--version"], capture_output=True).returncode:
        found = None
    if name not in ("", "uv") and not found:
        stop(f"there is no program {name}", "name another: make UV=uv ..., or none: make UV= ...")
    return found


def fetch_uv(folder: Path) -> str | None:
    """uv by pip, into the environment; None where there is none for this machine."""
    if not os.access(program(folder, "uv"), os.X_OK):
        pip = [program(folder, "python"), "-m", "pip", "install", "--quiet", *CONSTRAINTS, "uv"]
        if subprocess.run(pip, cwd=ROOT).returncode:
            print("gegcore: no uv to be had; pip installs", flush=True)
            return None
    return program(folder, "uv")


def install(folder: Path, uv: str | None, again: bool) -> None:
    settings = uv_settings(uv, folder) if uv else None
    what = [*CONSTRAINTS, "--editable", *PACKAGES]
    python = program(folder, "python")
    if uv and settings is not None:
        pip, to = [uv, "pip"], ["--python", python]
        options = ["--reinstall"] if again else []
    else:
        pip, to = [python, "-m", "pip"], []
        options = ["--progress-bar", "off", *(["--force-reinstall"] if again else [])]
    env = {**os.environ, **(settings or {})}
    for command in ([*pip, "install", *to, *options, *what], [*pip, "check", *to]):
        if subprocess.run(command, cwd=ROOT, env=env).returncode:
            fix = "the same again goes on" + ("; with plain pip: make UV= ..." if uv else "")
            stop("the installation failed, see above", fix)


def uv_settings(uv: str, folder: Path) -> dict[str, str] | None:
    """Environment in which uv finds what pip would; None if pip is told what uv does not know."""
    found = {"UV_PYTHON_DOWNLOADS": "never"}
    if not any(os.environ.get(f"UV_{name}") for name in ("INDEX", "DEFAULT_INDEX", "INDEX_URL")):
        for name, value in pip_settings().items():
            if name in _AS_UV_SAYS:
                separator = "," if name == "find-links" else " "
                found[_AS_UV_SAYS[name]] = separator.join(value.split())
            elif not _CHANGES_NOTHING.fullmatch(name):
                print(f"gegcore: pip is told '{name}', uv cannot be: pip installs", flush=True)
                return None
        if "UV_EXTRA_INDEX_URL" in found:
            found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: of all, not of the first
    say = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True).stdout.strip()
    cache = next(path for path in (Path(say), *Path(say).parents) if path.exists())
    if not os.access(cache, os.W_OK):
        found["UV_NO_CACHE"] = "1"
    if os.stat(cache).st_dev != os.stat(folder).st_dev:
        found["UV_LINK_MODE"] = "copy"  # Links do not lead to another disk; uv would warn.
    return {name: value for name, value in found.items() if name not in os.environ}


def pip_settings() -> dict[str, str]:
    """What pip's files and variables say of installations, the last word of each."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(pip, capture_output=True, text=True).stdout.splitlines()
    if not lines:  # No pip, so nobody asks its files.
        said = {n[4:].lower(): v for n, v in os.environ.items() if n.startswith("PIP_")}
        lines = [f":env:.{name.replace('_', '-')}={value!r}" for name, value in said.items()]
    values: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            name, equals, value = line.partition("=")
            if equals and name.startswith(section):
                values[name[len(section) :]] = str(ast.literal_eval(value))
    return values


def stop(what: str, fix: str) -> None:
    raise SystemExit(f"gegcore: {what}\n  -> {fix}")


if __name__ == "__main__":
    main()
