"""Real processes that start at once, to be killed, stopped and joined by tests."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process with the library imported, and without anything that tests have done."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["gegcore.experiment", "accelerate", "open_clip"])
    process = server.Process(target=_alone, args=(target, arguments), daemon=True)
    process.start()
    return process


def together(target: Callable[..., None], count: int, folder: Path, *arguments: Any) -> None:
    """Run `target(folder, *arguments)` in processes that form a group, over gloo."""
    folder.mkdir(exist_ok=True)
    processes = [start(_member, target, rank, count, folder, arguments) for rank in range(count)]
    for process in processes:
        process.join(timeout=200)
    assert [process.exitcode for process in processes] == [0] * count


def wait_for(event: Callable[[], bool], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _alone(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    target(*arguments)


def _member(
    target: Callable[..., None], rank: int, count: int, folder: Path, arguments: tuple[Any, ...]
) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ["OMP_NUM_THREADS"] = "1"
    # A file to meet at, where a launcher would have a port: no other process can take it.
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=count)
    target(folder, *arguments)
    if distributed.is_initialized():
        distributed.destroy_process_group()
