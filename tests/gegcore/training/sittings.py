"""Training runs of a second, to be interrupted, repeated and compared."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from tiny_training import IMAGES, Features, per_image, self_critical, small_model

from gegcore.models import Captioner
from gegcore.storage import save_safetensors, write_json
from gegcore.training.checkpoint import Progress
from gegcore.training.config import ObjectiveConfig
from gegcore.training.loop import Trainer
from gegcore.training.objectives import CrossEntropyObjective, Objective, StepLoss
from gegcore.training.xe import caption_tensor

CAPTIONS = [[[1 + (i + j) % 9] * (1 + (i * j) % 5) for j in range(5)] for i in range(IMAGES)]
BASE: dict[str, Any] = {
    "epochs": 4,
    "images_per_step": 3,
    "learning_rate": 1e-2,
    "checkpoint_every": 2,
}
STEPS = 12  # three an epoch, the last of them of two images


def config(loss: str = "self_critical", **settings: Any) -> ObjectiveConfig:
    return ObjectiveConfig(loss=loss, **{**BASE, **settings})


def objective(settings: ObjectiveConfig) -> Objective:
    if settings.loss == "self_critical":
        return self_critical(settings, image=(1.0, per_image))
    return CrossEntropyObjective(Features(), caption_tensor(CAPTIONS, 7), settings)  # type: ignore[arg-type]


def validate(model: Captioner) -> dict[str, float]:
    """No captions: how far the weights have moved, best at a distance on the way."""
    moved = abs(_total(model) - _total(small_model()))
    return {"CIDEr-D": 100 - (moved - 3.8) ** 2, "R@1": 0.0, "GEG-Avg": 0.0}


def _total(model: Captioner) -> float:
    return sum(float(parameter.detach().sum()) for parameter in model.parameters())


def trainer(folder: Path, settings: ObjectiveConfig, **changed: Any) -> Trainer:
    """Dropout is on for the cross-entropy: resuming must bring its masks back."""
    dropout = changed.pop("dropout", True)
    parts = {"num_images": IMAGES, "seed": 5, "validate": validate, "folder": folder} | changed
    return Trainer(small_model(dropout=dropout), objective(settings), settings, **parts)


def train(folder: Path, settings: ObjectiveConfig, **changed: Any) -> Progress:
    """As an experiment does it: the weights are stored last."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        run = trainer(folder, settings, **changed)
        progress = run.fit()
    if run.main:
        save_safetensors(folder / "checkpoint.safetensors", run.model.state_dict())
        record = {"history": progress.history, "log": progress.log, "ended": run.ended}
        write_json(folder / "history.json", record)
    return progress


def train_slowly(folder: Path, settings: ObjectiveConfig) -> None:
    """Train with a pause before every step, so that a kill can come between."""
    run = trainer(folder, settings)
    step = run.objective.step

    def paused(*arguments: Any) -> StepLoss:
        time.sleep(0.05)
        return step(*arguments)

    run.objective.step = paused  # type: ignore[method-assign]
    run.fit()


def train_until_operation(folder: Path, settings: ObjectiveConfig, last: int) -> None:
    """Train, and die by SIGKILL at the `last`-th of the operations that a save is made of."""
    done = 0

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*arguments, **named)

        return counted

    for name in ("fsync", "replace"):
        setattr(os, name, dying(getattr(os, name)))
    train(folder, settings)
