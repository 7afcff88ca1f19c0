"""The state a killed run resumes from: one atomic safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gegcore.errors import TrainingError
from gegcore.storage import save_safetensors


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: optimiser steps done.
        epoch: epochs done.
        best: value of the selection metric at the best epoch so far, None before the first.
        best_epoch: that epoch.
        history: one dict per validated epoch.
        log: rows of log.csv.
        window: metrics of the steps since the last of them.
        samples: rows of samples.jsonl.
        seconds: wall time spent so far, over all sittings.
    """

    step: int = 0
    epoch: int = 0
    best: float | None = None
    best_epoch: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    window: list[dict[str, float]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def save_state(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    best: dict[str, Tensor] | None,
) -> None:
    """Write model, optimiser, best weights so far and progress as one file, atomically.

    No random-number state is needed: the randomness of step s is a function of (seed, s).
    """
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in (best or {}).items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in state.items()
        }
    cloned = {name: tensor.clone() for name, tensor in tensors.items()}
    save_safetensors(path, cloned, {"progress": json.dumps(asdict(progress))})


def load_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor] | None]:
    """Restore what `save_state` wrote.

    Raises:
        TrainingError: the file is damaged or belongs to another model.
    """
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as stored:
            progress = Progress(**json.loads(stored.metadata()["progress"]))
            for name in stored.keys():  # noqa: SIM118 (safe_open is no mapping)
                group, key = name.split("/", 1)
                groups[group][key] = stored.get_tensor(name)
        model.load_state_dict(groups["model"])
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"{path} cannot be resumed from: {error}", "delete the run folder to train afresh"
        ) from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups["optimiser"].items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    restored = optimiser.state_dict()
    restored["state"] = state
    optimiser.load_state_dict(restored)
    return progress, groups["best"] or None
