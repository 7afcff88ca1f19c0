"""What a full disk does, without one: the kernel limits the size of files, for any user."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Writing beyond so many bytes of a file is an `OSError` (EFBIG): Python ignores SIGXFSZ."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def free_bytes(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 10**12) -> None:
    """Every disk says that it has so much room."""
    usage = shutil._ntuple_diskusage(total, total - free, free)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
