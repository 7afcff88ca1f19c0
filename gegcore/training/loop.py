"""The training loop: one for every objective, resumable at any step to the same result."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gegcore.errors import StorageError, TrainingError, TrainingInterrupted
from gegcore.models.captioner import Captioner
from gegcore.storage import need_room, remove_temporaries
from gegcore.training.checkpoint import Progress, Resumable, load_state, save_state
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import check_same_weights, start_accelerator
from gegcore.training.interrupt import StopNow, StopRequest
from gegcore.training.monitor import Monitor
from gegcore.training.objectives import Objective
from gegcore.training.schedule import learning_rate
from gegcore.training.step import OptimiserStep

if TYPE_CHECKING:
    from accelerate import Accelerator

DROPOUT, SAMPLING, ORDER = 1, 2, 3
"""Independent streams of random numbers."""


def stream_seed(seed: int, step: int, stream: int) -> int:
    """The randomness of a step is a function of (seed, step): resuming needs no RNG state."""
    return (seed * 1_000_003 + step) * 16 + stream


class Trainer:
    """Trains one captioner with one objective, in `folder`.

    Several processes call it alike, with the same weights, data and folder: each computes its
    share of every batch, and the main one validates, shows, logs and saves.

    Args:
        num_images: size of the training split.
        validate: model -> validation metrics; called before the first and after every epoch.
        folder: the run folder; resumable state lives in `folder/state`.
        captions: see `Monitor`.
        accelerator: default: this process alone, in full precision.
    """

    def __init__(
        self,
        model: Captioner,
        objective: Objective,
        config: ObjectiveConfig,
        num_images: int,
        seed: int,
        validate: Callable[[Captioner], dict[str, float]],
        folder: Path,
        captions: Callable[[], dict[str, str]] | None = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.model, self.objective, self.config = model, objective, config
        self.num_images, self.seed, self.validate = num_images, seed, validate
        self.folder, self.state_file = folder, folder / "state" / "resume.safetensors"
        self.device = next(model.parameters()).device
        self.accelerator = accelerator or start_accelerator(self.device)
        self.main = self.accelerator.is_main_process
        self.optimiser_step = OptimiserStep(model, objective, config, self.accelerator)
        optimiser, scaler = self.optimiser_step.optimiser, self.optimiser_step.scaler
        run = {"model": type(model).__name__, "images": num_images, "seed": seed}
        self.parts = Resumable(model, optimiser, scaler, {**run, **config.decisive()})
        self.steps_per_epoch = math.ceil(num_images / config.images_per_step)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.progress = Progress()
        scaled = scaler.is_enabled()
        self.monitor = Monitor(folder, config, captions, shows=self.main, loss_scaling=scaled)
        self.best: dict[str, Tensor] | None = None
        self.started = 0.0

    @property
    def ended(self) -> str | None:
        """Why training is over: "converged" or "all epochs"; None before. The state decides it."""
        history, until = self.progress.history, self.config.until
        if until is not None and until.converged([row[until.metric] for row in history]):
            return "converged"
        return "all epochs" if len(history) > self.config.epochs else None

    def fit(self) -> Progress:
        """Train to the end, from the last resume point if there is one; load the best weights.

        Raises:
            TrainingError: a guard stops the run, or the state cannot be read or written.
            StorageError: the disk has no room for two states, which a save needs for a moment.
            TrainingInterrupted: SIGINT or SIGTERM came; the state is saved.
        """
        self._resume()
        self.started = time.monotonic() - self.progress.seconds
        stop = StopRequest(insist=self.accelerator.num_processes == 1)
        self.monitor.open(self.progress, self.total_steps)
        try:
            with stop:
                done = self._train(stop)
        except KeyboardInterrupt as error:  # from a second Ctrl-C, or outside the main thread
            what = f"{self.folder.name}: stopped at once, in step {self.progress.step + 1}"
            fix = "run it again: it goes on from the last saved state"
            raise TrainingInterrupted(what, fix, number=signal.SIGINT) from error
        finally:
            self.monitor.close()
        if not done:
            # The others must outlive the main process's save: a launcher ends all when one ends.
            self.accelerator.wait_for_everyone()
            asked = stop.signal.name if stop.signal else "another process"
            raise TrainingInterrupted(
                f"{self.folder.name}: stopped by {asked} after step {self.progress.step} of "
                f"{self.total_steps}, and saved",
                "run it again with the same settings: it goes on from there",
                number=stop.signal or signal.SIGTERM,
            )
        self.monitor.ended(self.progress, done)
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.zero_grad()  # frees the gradients
        self.model.eval()
        return self.progress

    def _train(self, stop: StopRequest) -> str | None:
        """Why it came to the end; None where it was asked to stop, and has saved."""
        while True:
            epoch, position = divmod(self.progress.step, self.steps_per_epoch)
            # Before the first epoch and after each: a function of what is saved.
            if position == 0 and len(self.progress.history) <= epoch:
                validated = self._validate_epoch(stop)
                self._save()
                if not validated:
                    return None
            if ended := self.ended:
                return ended
            stopping = self._step(stop)
            if stopping or self.progress.step % self.config.checkpoint_every == 0:
                self._save()
            if stopping:
                return None

    def _step(self, stop: StopRequest) -> bool:
        """Train on one global batch; whether any process was asked to stop."""
        step = self.progress.step
        # Dropout differs between processes; bits of the seed that no step reaches tell them apart.
        process = self.accelerator.process_index << 48
        torch.manual_seed(stream_seed(self.seed, step, DROPOUT) + process)
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, step, SAMPLING))
        batch = self._batch(step)
        shape = (len(batch), *self.objective.noise_shape)
        noise = torch.rand(shape, dtype=torch.float64, device=self.device, generator=generator)
        self.objective.start_epoch(step // self.steps_per_epoch)
        rate = learning_rate(self.config, step, self.total_steps)
        metrics, stopping = self.optimiser_step(batch, noise, rate, lambda: stop.signal is not None)
        self.progress.step += 1
        self.monitor.step(self.progress, metrics)
        return stopping

    def _batch(self, step: int) -> Tensor:
        """Images of a step: every epoch is a fresh permutation, a function of (seed, epoch)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, ORDER))
        order = torch.randperm(self.num_images, generator=generator)
        return order[position * self.config.images_per_step :][: self.config.images_per_step]

    def _validate_epoch(self, stop: StopRequest) -> bool:
        """Validate, and keep the weights if the written rule prefers them; False: interrupted."""
        from accelerate.utils import broadcast_object_list

        check_same_weights(self.accelerator, self.optimiser_step.parameters)
        metrics = None
        if self.main:
            with suppress(StopNow), stop.at_once():
                metrics = self.validate(self.model)
        (metrics,) = broadcast_object_list([metrics])  # the others wait for it
        if metrics is None:
            return False
        progress, rule = self.progress, self.config.select
        epoch = progress.step // self.steps_per_epoch
        progress.history.append({"epoch": epoch, "step": progress.step, **metrics})
        if self.ended:
            self.monitor.end_window(progress)
        progress.epoch = epoch
        floor = rule.least_cider_share * progress.history[0]["CIDEr-D"]
        value = metrics[rule.metric]
        if metrics["CIDEr-D"] >= floor and (progress.best is None or value > progress.best):
            progress.best, progress.best_epoch = value, progress.epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.monitor.validated(progress, metrics)
        return True

    def _save(self) -> None:
        self.progress.seconds = time.monotonic() - self.started
        try:
            self.monitor.fetch(self.progress)
            if self.main:
                save_state(self.state_file, self.parts, self.progress, self.best)
            self.monitor.write(self.progress)
        except StorageError as error:
            what = f"step {self.progress.step} cannot be saved in {self.folder}: {error.what}"
            fix = "make room or mend the rights, and run again: it goes on from step"
            raise TrainingError(what, f"{fix} {self.monitor.saved or 0}") from error

    def _resume(self) -> None:
        if self.main:
            remove_temporaries(self.folder)
        self.accelerator.wait_for_everyone()
        if self.state_file.exists():
            self.progress, self.best = load_state(self.state_file, self.parts)
        if self.main and not self.ended:
            # Weights now and best, two moments of each; and an old state stays beside a new one.
            size = 4 * sum(tensor.nbytes for tensor in self.model.state_dict().values())
            old = self.state_file.stat().st_size if self.state_file.exists() else 0
            need_room(self.folder, 2 * size - old, f"states of {self.folder.name}")
        how = {"step": self.progress.step, "device": self.device.type}
        how |= {"precision": self.accelerator.mixed_precision, "accumulate": self.config.accumulate}
        self.progress.sittings.append({**how, "processes": self.accelerator.num_processes})
