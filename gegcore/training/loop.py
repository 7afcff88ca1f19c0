"""The training loop: one for every objective, resumable at any step to the same result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from gegcore.errors import TrainingError
from gegcore.models.captioner import Captioner
from gegcore.storage import atomic_write
from gegcore.training.checkpoint import Progress, load_state, save_state
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import Objective
from gegcore.training.schedule import learning_rate

Validation = Callable[[Captioner], dict[str, float]]


DROPOUT, SAMPLING, ORDER = 1, 2, 3
"""Independent streams of random numbers."""


def stream_seed(seed: int, step: int, stream: int) -> int:
    """The randomness of a step is a function of (seed, step): resuming needs no RNG state."""
    return (seed * 1_000_003 + step) * 16 + stream


class Trainer:
    """Trains one captioner with one objective, in `folder`.

    Args:
        model: on its device.
        objective: makes the loss of a batch.
        config: schedule and selection rule.
        num_images: size of the training split.
        seed: of the whole run.
        validate: model -> validation metrics; called before the first and after every epoch.
        folder: the run folder; resumable state lives in `folder/state`.
    """

    def __init__(
        self,
        model: Captioner,
        objective: Objective,
        config: ObjectiveConfig,
        num_images: int,
        seed: int,
        validate: Validation,
        folder: Path,
    ) -> None:
        self.model, self.objective, self.config = model, objective, config
        self.num_images, self.seed, self.validate = num_images, seed, validate
        self.folder, self.state_file = folder, folder / "state" / "resume.safetensors"
        self.optimiser = torch.optim.Adam(
            model.parameters(), lr=config.learning_rate, betas=config.betas, eps=config.eps
        )
        self.steps_per_epoch = math.ceil(num_images / config.images_per_step)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.device = next(model.parameters()).device
        self.progress = Progress()
        self.best: dict[str, Tensor] | None = None

    def fit(self) -> Progress:
        """Train to the end, from the last resume point if there is one; load the best weights.

        Raises:
            TrainingError: the loss is not finite, or the state file cannot be read.
        """
        self._resume()
        started = time.monotonic() - self.progress.seconds
        if not self.progress.history:
            self._validate_epoch()
        bar = tqdm(
            total=self.total_steps,
            initial=self.progress.step,
            dynamic_ncols=True,
            desc=self.folder.name,
        )
        while self.progress.step < self.total_steps:
            metrics = self._step()
            bar.update()
            step = self.progress.step
            if step % 20 == 0 or step == self.total_steps:
                self._log(metrics)
                bar.set_postfix({k: f"{v:.3g}" for k, v in self._shown().items()})
            if step % self.steps_per_epoch == 0:
                self.progress.epoch += 1
                self._validate_epoch()
            if step % self.config.checkpoint_every == 0 or step % self.steps_per_epoch == 0:
                self.progress.seconds = time.monotonic() - started
                self._save()
        bar.close()
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()
        return self.progress

    def _step(self) -> dict[str, Tensor]:
        step = self.progress.step
        rate = learning_rate(self.config, step, self.total_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(stream_seed(self.seed, step, DROPOUT))
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, step, SAMPLING))
        batch = self._batch(step)
        shape = (len(batch), *self.objective.noise_shape)
        noise = torch.rand(shape, dtype=torch.float64, device=self.device, generator=generator)
        self.objective.start_epoch(step // self.steps_per_epoch)
        result = self.objective.step(self.model, batch, noise)
        loss = result.total / result.tokens
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        elif self.config.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), self.config.clip_value)
        self.optimiser.step()
        self.progress.step += 1
        return {**result.metrics, "loss": loss.detach()}

    def _batch(self, step: int) -> Tensor:
        """Images of a step: every epoch is a fresh permutation, a function of (seed, epoch)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, ORDER))
        order = torch.randperm(self.num_images, generator=generator)
        start = position * self.config.images_per_step
        return order[start : start + self.config.images_per_step]

    def _log(self, metrics: dict[str, Tensor]) -> None:
        row = {name: value.item() for name, value in metrics.items()}
        if not math.isfinite(row["loss"]):
            raise TrainingError(
                f"{self.folder.name}: the loss is {row['loss']} at step {self.progress.step}",
                "lower the learning rate or the reward weights in the profile",
            )
        self.progress.log.append({"step": self.progress.step, "epoch": self.progress.epoch, **row})

    def _shown(self) -> dict[str, float]:
        row = self.progress.log[-1]
        return {name: row[name] for name in ("loss", "reward", "reward_greedy") if name in row}

    def _validate_epoch(self) -> None:
        """Validate, and keep the weights if the written rule prefers them."""
        metrics = self.validate(self.model)
        progress, rule = self.progress, self.config.select
        progress.history.append({"epoch": progress.epoch, "step": progress.step, **metrics})
        floor = rule.least_cider_share * progress.history[0]["CIDEr-D"]
        value = metrics[rule.metric]
        if metrics["CIDEr-D"] >= floor and (progress.best is None or value > progress.best):
            progress.best, progress.best_epoch = value, progress.epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        tqdm.write(
            f"{self.folder.name} epoch {progress.epoch}: "
            + "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())
        )

    def _save(self) -> None:
        save_state(self.state_file, self.model, self.optimiser, self.progress, self.best)
        self._write_log()

    def _write_log(self) -> None:
        with atomic_write(self.folder / "log.csv") as stream:
            pd.DataFrame(self.progress.log).to_csv(stream, index=False)

    def _resume(self) -> None:
        if self.state_file.exists():
            self.progress, self.best = load_state(self.state_file, self.model, self.optimiser)
