"""Checks of the machine: Python, PyTorch and its devices, cores, memory, disk, folders."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from bookkit.doctor.check import Finding

_GB = 1e9
DISK_NEEDED = 1.0
"""GB free: artifacts, runs and book of the profiles quick and objectives take 0.4 GB."""
MEMORY_NEEDED = 2.0
"""GB free: the most that METEOR's Java may take."""

_OTHER_PYTHON = "make clean, then make book PYTHON=python3.12"


def python() -> Finding:
    version = platform.python_version()
    where = f"{version} ({sys.executable})"
    if sys.version_info < (3, 11):
        return Finding(f"{where}; Snakemake needs 3.11 or newer", "broken", _OTHER_PYTHON)
    return Finding(where)


def pytorch() -> Finding:
    """Versions, and the devices after a product of two matrices on each."""
    import torch
    import torchvision

    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        devices = [*_cuda_devices(), *_mps_device()]
    torch.ones(8, 8) @ torch.ones(8, 8)
    if devices:
        return Finding(f"{versions}; {'; '.join(devices)}")
    if shutil.which("nvidia-smi"):
        reason = str(said[0].message).split("\n")[0] if said else f"CUDA {torch.version.cuda}"
        return Finding(
            f"{versions}; CPU only, though there is an NVIDIA driver ({reason})",
            "note",
            "compare nvidia-smi with the build that https://pytorch.org/get-started names",
        )
    return Finding(f"{versions}; CPU only, which is enough for this book")


def _cuda_devices() -> list[str]:
    import torch

    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        ones = torch.ones(8, 8, device=f"cuda:{index}")
        (ones @ ones).cpu()  # A driver can be there and the kernels for this GPU not.
        properties = torch.cuda.get_device_properties(index)
        with torch.cuda.device(index):
            bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        memory = properties.total_memory / _GB
        found.append(f"cuda:{index} {properties.name}, {memory:.0f} GB, {bf16}")
    return found


def _mps_device() -> list[str]:
    import torch

    if not torch.backends.mps.is_available():
        return []
    ones = torch.ones(8, 8, device="mps")
    (ones @ ones).cpu()
    memory = torch.mps.recommended_max_memory() / _GB
    return [f"mps {platform.processor() or 'Apple'}, {memory:.0f} GB"]


def cores() -> Finding:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variable = os.environ.get("OMP_NUM_THREADS")
    source = f"OMP_NUM_THREADS={variable}" if variable else "OMP_NUM_THREADS is not set"
    threads = torch.get_num_threads()
    detail = f"{usable} cores; threads of a PyTorch process: {threads} ({source})"
    if usable and threads > usable:
        return Finding(f"{detail}: more than there are", "note", f"OMP_NUM_THREADS={usable}")
    return Finding(detail)


def memory() -> Finding:
    import psutil

    state = psutil.virtual_memory()
    free, limit = state.available / _GB, _container_limit()
    detail = f"{free:.1f} of {state.total / _GB:.1f} GB free"
    if limit is not None and limit < state.total / _GB:
        detail += f", this container may use {limit:.1f} GB"
        free = min(free, limit)
    if free < MEMORY_NEEDED:
        fix = "close other programs, or build with fewer jobs: make book CORES=1"
        return Finding(f"{detail}; METEOR may take {MEMORY_NEEDED:g} GB", "note", fix)
    return Finding(detail)


def _container_limit(path: Path = Path("/sys/fs/cgroup/memory.max")) -> float | None:
    """GB that a container may use, None outside one."""
    try:
        return int(path.read_text()) / _GB
    except (OSError, ValueError):  # No cgroups, or "max".
        return None


def disk() -> Finding:
    from gegcore.runs import project_root

    folder = existing(project_root())
    free = shutil.disk_usage(folder).free / _GB
    detail = f"{free:.1f} GB free at {folder}"
    if free < DISK_NEEDED:
        return Finding(
            f"{detail}, a build takes up to {DISK_NEEDED:g} GB",
            "broken",
            "free some space, or build on another disk: a clone of the repository there",
        )
    return Finding(detail)


def folders() -> Finding:
    """Whether a build may write where it does."""
    from gegcore.runs import project_root

    root = project_root()
    for name in ("artifacts", "runs", "_build", "book/generated"):
        reason = write_problem(root / name)
        if reason:
            fix = "give yourself the right to write there, or set GEGCORE_HOME to another folder"
            return Finding(f"{root / name}: {reason}", "broken", fix)
    return Finding(f"artifacts, runs and the book go to {root}")


def cache_folder() -> Finding:
    from gegcore.metrics.spice_jars import user_cache

    folder = user_cache()
    reason = write_problem(folder)
    if reason:
        return Finding(f"{folder}: {reason}", "broken", "export GEGCORE_CACHE=FOLDER")
    return Finding(str(folder))


def write_problem(folder: Path) -> str:
    """Why no file can be written into `folder`, which need not exist yet; empty if one can."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def existing(folder: Path) -> Path:
    """The folder, or else the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
