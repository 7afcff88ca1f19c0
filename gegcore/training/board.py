"""Scalars for TensorBoard, beside the log of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Board:
    """Event files in a folder that an interrupted run goes on with.

    Args:
        folder: of the event files.
        step: that the run has reached; what an earlier sitting wrote after it is not shown.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second, only runs need it

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else 0)

    def add(self, values: Mapping[str, float], step: int, group: str) -> None:
        """Add a point to every curve; a name without a slash goes into the group."""
        for name, value in values.items():
            tag = name if "/" in name else f"{group}/{name}"
            self._writer.add_scalar(tag, value, step)

    def flush(self) -> None:
        """Leave nothing in memory: the run may be killed from here on."""
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
