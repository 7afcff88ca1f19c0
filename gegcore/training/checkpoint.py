"""The state a killed run resumes from: one atomic safetensors file."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gegcore.errors import TrainingError
from gegcore.storage import save_safetensors

FORMAT = 2
"""Of the file; 1 had none in it."""

_AFRESH = "delete the run folder to train afresh"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: optimiser steps done; it is the position in the data, too.
        epoch: epochs validated.
        best: value of the selection metric at the best epoch so far, None before the first.
        history: one dict per validated epoch.
        log: rows of log.csv; `window` are the steps since the last of them.
        samples: rows of samples.jsonl.
        seconds: wall time spent so far, over all sittings.
        sittings: where each began, and the device, precision and processes that it had.
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
    sittings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Resumable:
    """What a state file holds beside the progress, and the run that it belongs to.

    There is no random-number and no scheduler state: both are functions of the seed and the step.

    Attributes:
        scaler: of float16 gradients; disabled without.
        run: what decides the run, as JSON: a state of another one is refused.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    run: Mapping[str, Any]


def save_state(
    path: Path, parts: Resumable, progress: Progress, best: Mapping[str, Tensor] | None
) -> None:
    """Write everything as one file, atomically.

    Raises:
        StorageError: it cannot be written; the state that was there is still whole.
    """
    tensors = {f"model/{name}": value for name, value in parts.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in (best or {}).items()}
    for index, moments in parts.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{k}": torch.as_tensor(v) for k, v in moments.items()}
    metadata = {"format": FORMAT, "run": parts.run, "progress": asdict(progress)}
    metadata["scaler"] = parts.scaler.state_dict()
    cloned = {name: tensor.clone() for name, tensor in tensors.items()}
    save_safetensors(path, cloned, {name: json.dumps(v) for name, v in metadata.items()})


def load_state(path: Path, parts: Resumable) -> tuple[Progress, dict[str, Tensor] | None]:
    """Restore what `save_state` wrote; returns the progress and the best weights so far.

    Raises:
        TrainingError: the file is damaged, of another format, or belongs to another run or model.
    """
    model, best = dict[str, Tensor](), dict[str, Tensor]()
    # Moments as they were stored; rates and decays are the configuration's.
    optimiser = parts.optimiser.state_dict() | {"state": defaultdict(dict)}
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = {name: json.loads(v) for name, v in (stored.metadata() or {}).items()}
            _check(path, metadata, parts.run)
            progress = Progress(**metadata["progress"])
            for key in stored.keys():  # noqa: SIM118 (safe_open is no mapping)
                group, name = key.split("/", 1)
                if group == "optimiser":
                    index, name = name.split("/")
                    optimiser["state"][int(index)][name] = stored.get_tensor(key)
                else:
                    {"model": model, "best": best}[group][name] = stored.get_tensor(key)
        parts.model.load_state_dict(model)
        parts.optimiser.load_state_dict(optimiser)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} cannot be resumed from: {error}", _AFRESH) from error
    if metadata.get("scaler"):
        parts.scaler.load_state_dict(metadata["scaler"])
    return progress, best or None


def _check(path: Path, metadata: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    known = metadata.get("format", 1)
    if known != FORMAT:
        raise TrainingError(f"{path} has format {known}, this version reads {FORMAT}", _AFRESH)
    theirs, ours = metadata["run"], json.loads(json.dumps(run))  # tuples become lists
    differ = [
        f"{name} {theirs.get(name)}, not {ours.get(name)}"
        for name in sorted(ours.keys() | theirs.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if differ:
        raise TrainingError(f"{path} is the state of another run: {'; '.join(differ)}", _AFRESH)
