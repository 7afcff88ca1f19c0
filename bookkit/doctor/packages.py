"""Checks of installed packages and programs against what the project asks for."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from bookkit.doctor.check import Finding
from gegcore.errors import MissingDependencyError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, if gegcore is used from one."""

BROWSERS = "chromium", "chromium-browser", "google-chrome"


def packages(extra: str = "") -> Finding:
    """Whether what gegcore requires is installed, in the versions that it runs on.

    Args:
        extra: "book", "test" or "examples"; empty for what the package itself requires.
    """
    wrong, number = [], 0
    for requirement in _requirements(extra):
        number += 1
        try:
            installed = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(requirement.name)
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name}{requirement.specifier} (here: {installed})")
    if wrong:
        what = f"{len(wrong)} of {number} packages: {', '.join(wrong)}"
        return Finding(what, "missing", _install(extra))
    return Finding(f"{number} packages")


def _requirements(extra: str) -> Iterator[Requirement]:
    """What `pyproject.toml` says of this Python, as the installed package has recorded it."""
    try:
        lines = importlib.metadata.requires("gegcore") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingDependencyError(
            "gegcore is not installed in this Python: what it requires is not known",
            _install(extra),
        ) from error
    for requirement in map(Requirement, lines):
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        of_package = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and (of_package != bool(extra)):
            yield requirement


def _install(extra: str) -> str:
    if (ROOT / "Makefile").is_file() and extra != "examples":
        return "make setup"
    return f'pip install "gegcore[{extra}]"' if extra else "pip install gegcore"


def versions() -> Finding:
    """Installed versions against those behind the book."""
    path = ROOT / "constraints.txt"
    if not path.is_file():
        return Finding("constraints.txt is not here: gegcore is not used from its repository")
    other = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = importlib.metadata.version(pin.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # Whether it is needed is for `packages` to say.
        if not pin.specifier.contains(Version(installed).public, prereleases=True):
            other.append(f"{pin.name} {installed} (book: {str(pin.specifier)[2:]})")
    if other:
        return Finding(f"{len(other)} differ: {', '.join(other)}", "note", "make setup")
    return Finding("all as in constraints.txt")


def chromium() -> Finding:
    for name in BROWSERS:
        if found := shutil.which(name):
            return Finding(found)
    fix = "apt-get install chromium, or brew install --cask chromium"
    return Finding(f"none of {', '.join(BROWSERS)} is on PATH", "missing", fix)
