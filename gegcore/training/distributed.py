"""Device, precision and processes of a run: Hugging Face accelerate, and what it leaves open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed

from gegcore.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = ("no", "bf16", "fp16")

# The others wait while the main process validates, which may take long; that a process has died
# is the launcher's to notice.
_PATIENCE = timedelta(hours=12)


def start_accelerator(
    device: torch.device | str | None = None, precision: str | None = None
) -> Accelerator:
    """This process's device, precision and place among the processes that were launched with it.

    Args:
        device: default: this process's GPU if there are any, else the CPU. (Not Apple's GPU: it
            has no float64, which the random numbers of sampling are in.)
        precision: of the arithmetic; weights stay in float32. Default: what `accelerate launch`
            was told, else "no" mixed precision.

    Raises:
        ConfigError: an unknown precision, or one that the device does not have.
    """
    # Imported late: only training needs it.
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import InitProcessGroupKwargs

    precision = precision or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in PRECISIONS:
        fix = f"use one of: {', '.join(PRECISIONS)}"
        raise ConfigError(f"unknown precision '{precision}'", fix)
    chosen = None if device is None else torch.device(device)
    cpu = not torch.cuda.is_available() if chosen is None else chosen.type == "cpu"
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        # Accelerate has one state per process and refuses another device or precision; a notebook
        # may well ask for one. Source: transformers, `TrainingArguments._setup_devices`.
        AcceleratorState._reset_state(reset_partial_state=True)
        if chosen is not None and chosen.type == "cuda" and chosen.index is not None:
            torch.cuda.set_device(chosen)
    try:
        if precision == "fp16" and cpu:
            raise ValueError("a CPU has no float16 arithmetic")  # accelerate would not say so
        patience = InitProcessGroupKwargs(timeout=_PATIENCE)
        return Accelerator(cpu=cpu, mixed_precision=precision, kwargs_handlers=[patience])
    except ValueError as error:
        raise ConfigError(
            f"precision '{precision}' cannot be had here: {error}",
            "leave --precision out, or choose another device",
        ) from error


def sum_over_processes(accelerator: Accelerator, tensor: Tensor) -> Tensor:
    """Add up, in place, what all processes have in `tensor`."""
    if accelerator.num_processes > 1:
        distributed.all_reduce(tensor)
    return tensor


def check_same_weights(accelerator: Accelerator, parameters: Sequence[Tensor]) -> None:
    """TrainingError where processes do not have the same weights, by sums of their tensors."""
    sums = torch.stack([p.detach().double().sum() for p in parameters]).nan_to_num()
    if not (accelerator.gather(sums[None]) == sums).all():
        raise TrainingError(
            "the processes of this run no longer have the same weights",
            "use equal GPUs and equal software for all processes, and resume",
        )


def finish() -> bool:
    """Part from the other processes; whether this was the main one."""
    from accelerate import PartialState

    state = PartialState()
    main: bool = state.is_main_process
    state.destroy_process_group()
    return main
