"""Curves for TensorBoard: event files whose names, unlike SummaryWriter's, tell no machine's."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path


class Curves:
    """Scalars in a new file of a folder; ImportError where TensorBoard is not installed.

    Args:
        purge_step: TensorBoard hides what earlier files hold of this step and later ones.
    """

    def __init__(self, folder: Path, purge_step: int) -> None:
        from torch.utils.tensorboard import writer  # takes a second, only runs need it

        self._event, self._scalar = writer.Event, writer.scalar
        records = import_module("tensorboard.summary.writer.record_writer")
        folder.mkdir(parents=True, exist_ok=True)
        # Ordered by time, as TensorBoard reads them; never one that is there.
        file = open(folder / f"events.out.tfevents.{time.time():.6f}", "xb")  # noqa: SIM115
        self._records = records.RecordWriter(file)
        self.flush, self.close = file.flush, file.close
        self._write(file_version="brain.Event:2", step=purge_step)
        start = writer.SessionLog(status=writer.SessionLog.START)
        self._write(session_log=start, step=purge_step)

    def add(self, name: str, value: float, step: int) -> None:
        self._write(summary=self._scalar(name, value), step=step)

    def _write(self, **fields: object) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
