"""What a run shows and keeps of itself: progress bar, log.csv, samples.jsonl, TensorBoard, guards.

Metrics stay on their device until a window of steps is full: the run waits for the device once a
window. What a window holds belongs to the progress that a checkpoint stores, so that a resumed run
ends with the log of an uninterrupted one. Nothing in it depends on the clock.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from gegcore.errors import StorageError, TrainingError
from gegcore.storage import write_text
from gegcore.training.checkpoint import Progress
from gegcore.training.config import ObjectiveConfig
from gegcore.training.guards import findings, not_finite, rules
from gegcore.training.schedule import learning_rate

EVERY = 20
"""Steps of a window: a row of the log, a new line of the bar."""

_BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} <{remaining}{postfix} {rate_fmt}"


class Monitor:
    """Watches one run.

    Call `open` once, `step` after every optimiser step, `validated` after every validation, `fetch`
    before and `write` after every checkpoint, `end_window` after the last step, `close` at the end,
    whatever happened.

    Args:
        config: whose guards apply.
        captions: what the model said at the last validation, a picture's name -> caption.
        every: steps of a window.
        shows: whether to print and write files; False on all but the first of several processes,
            which must all be given the same metrics.
        loss_scaling: see `guards.not_finite`.
    """

    def __init__(
        self,
        folder: Path,
        config: ObjectiveConfig,
        captions: Callable[[], dict[str, str]] | None = None,
        *,
        every: int = EVERY,
        shows: bool = True,
        loss_scaling: bool = False,
    ) -> None:
        self.folder, self.config, self.captions = folder, config, captions
        self.every, self.shows, self.loss_scaling = every, shows, loss_scaling
        self._rules = rules(config)
        self._warned: set[str] = set()
        self._total = 0
        self.saved: int | None = None  # step of the last checkpoint
        self._names: tuple[str, ...] = ()
        self._waiting: list[Tensor] = []  # one vector of metrics a step, still on the device
        self._bar: tqdm = tqdm(disable=True)
        self._curves: Path | None = None  # an event file

    def open(self, progress: Progress, total_steps: int) -> None:
        """Start or go on from what a checkpoint restored."""
        self._total, self.saved = total_steps, progress.step or None
        if self.shows:
            self._curves = self.folder / "tensorboard" / f"events.out.tfevents.{time.time():017.6f}"
            self._record(file_version="brain.Event:2")
            if progress.step:  # What an earlier sitting wrote after its last checkpoint is hidden.
                self._record(step=progress.step + 1, session_log={"status": "START"})
        # No mininterval here: TQDM_MININTERVAL sets it in batch. smoothing=0: the ETA counts
        # validation and checkpoints too.
        self._bar = tqdm(
            total=total_steps, initial=progress.step, dynamic_ncols=True, smoothing=0,
            bar_format=_BAR, desc=self._epoch(progress), disable=not self.shows, unit="",
        )  # fmt: skip

    def step(self, progress: Progress, metrics: Mapping[str, Tensor]) -> None:
        """Take the metrics of the step that `progress.step` now counts.

        Args:
            progress: gets a row of its log where a window is full.
            metrics: 0-d tensors, means over the images of the step; `loss` is one of them, and
                `grad_norm` should be, before clipping. The same names in every step.

        Raises:
            TrainingError: the window shows a run that cannot recover.
        """
        self._names = tuple(metrics)
        self._waiting.append(torch.stack([value.detach().float() for value in metrics.values()]))
        if progress.step % self.every == 0:
            self.end_window(progress)
        self._bar.set_description_str(self._epoch(progress), refresh=False)
        self._bar.update()

    def validated(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Say the metrics of an epoch, and keep what the model said of some pictures."""
        if self.captions is not None:
            place = {"epoch": progress.epoch, "step": progress.step}
            progress.samples.append({**place, "captions": self.captions()})
        said = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self._say(f"epoch {progress.epoch}: {said}")
        self._draw("validation", metrics, progress.step)

    def write(self, progress: Progress) -> None:
        """Bring the files up to date; after the checkpoint, for a full disk to hit these first.

        Raises:
            StorageError: they cannot be written.
        """
        self.fetch(progress)
        self.saved = progress.step
        self._write_files(progress)

    def ended(self, progress: Progress, why: str) -> None:
        """Say why training ended, and which epoch's weights are kept."""
        kept = f"epoch {progress.best_epoch}"
        if progress.best_epoch is None:
            kept = "the last, as none is within the rule"
        elif progress.best_epoch == 0:
            kept += ", the model before training"
        self._say(f"ended after epoch {progress.epoch} ({why}); kept {kept}")

    def close(self) -> None:
        """Close the bar; may be called twice."""
        self._bar.close()

    def fetch(self, progress: Progress) -> None:
        """Bring what waits on the device into the window: the one wait for the device.

        Raises:
            TrainingError: a loss or gradient is not finite, so that no checkpoint must be written.
        """
        if not self._waiting:
            return
        rows = torch.stack(self._waiting).tolist()
        self._waiting = []
        progress.window += [dict(zip(self._names, row, strict=True)) for row in rows]
        if bad := not_finite(progress.window, self.loss_scaling):
            position, name = bad
            step = progress.step - len(progress.window) + 1 + position
            fix = "lower the learning rate or the reward weights, or use a wider number format"
            if name.startswith("reward"):
                fix = "mend what this reward returns: it must be finite for every caption"
            what = f"{name.replace('grad_', 'gradient ')} is {progress.window[position][name]}"
            self._stop(progress, f"the {what} at step {step}", fix)

    def end_window(self, progress: Progress) -> None:
        """Make a row of the log of the steps since the last one, if any, and show it to the guards.

        Raises:
            TrainingError: the window shows a run that cannot recover.
        """
        self.fetch(progress)
        window, progress.window = progress.window, []
        if not window:
            return
        rate = learning_rate(self.config, progress.step - 1, self._total)
        # Over finite values: steps that a loss scaler skipped have no gradient norm.
        means = pd.DataFrame(window).replace([math.inf, -math.inf], math.nan).mean()
        row = {"learning_rate": rate, **{str(name): value for name, value in means.items()}}
        progress.log.append({"step": progress.step, "epoch": progress.epoch, **row})
        self._bar.set_postfix_str(_bar_text(row), refresh=False)
        self._draw("training", row, progress.step)
        for finding in findings(progress.log, self._rules):
            if finding.rule.stop:
                lenient = "if this is what you want to see, set `guards: warn` in the profile"
                self._stop(progress, str(finding), f"{finding.rule.fix}; {lenient}")
            if finding.rule.what not in self._warned:
                self._warned.add(finding.rule.what)
                self._say(f"warning: {finding}\n  -> {finding.rule.fix}")

    def _stop(self, progress: Progress, what: str, fix: str) -> NoReturn:
        """End the run with the log written, so that one can see how it came to this."""
        with suppress(StorageError):  # what stops the run matters more
            self._write_files(progress)
        place = self.folder / "state"
        kept = f"The checkpoint of step {self.saved} is in {place}; other settings replace it."
        if self.saved is None:
            kept = "No checkpoint was written before."
        raise TrainingError(f"{self.folder.name}: {what}", f"{fix}. {kept}")

    def _write_files(self, progress: Progress) -> None:
        if not self.shows:
            return
        log = pd.DataFrame(progress.log).to_csv(index=False, float_format="%.6g")
        write_text(self.folder / "log.csv", log)
        if progress.samples:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in progress.samples)
            write_text(self.folder / "samples.jsonl", "".join(lines))

    def _say(self, text: str) -> None:
        if self.shows:
            tqdm.write(f"{self.folder.name} {text}")

    def _epoch(self, progress: Progress) -> str:
        return f"epoch {min(progress.epoch + 1, self.config.epochs)}/{self.config.epochs}"

    def _draw(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Add a point to every curve; a name without a slash goes into the group."""
        named = {name if "/" in name else f"{group}/{name}": v for name, v in values.items()}
        points = [{"tag": name, "simple_value": float(value)} for name, value in named.items()]
        self._record(step=step, summary={"value": points})

    def _record(self, **event: Any) -> None:
        """Add an event for TensorBoard; where that fails, the curves end and the run goes on.

        Not by `SummaryWriter`: its thread prints a traceback where the disk is full.
        """
        if self._curves is None:
            return
        try:
            from torch.utils.tensorboard import RecordWriter  # takes a second, only runs need it
            from torch.utils.tensorboard.writer import Event

            self._curves.parent.mkdir(parents=True, exist_ok=True)
            with open(self._curves, "ab") as stream:
                content = Event(wall_time=time.time(), **event).SerializeToString()
                RecordWriter(stream).write(content)
        except (ImportError, OSError) as error:
            why = "pip install tensorboard" if isinstance(error, ImportError) else error
            tqdm.write(f"no curves for TensorBoard: {why}", file=sys.stderr)
            self._curves = None


def _bar_text(row: Mapping[str, float]) -> str:
    """The numbers of a window in few letters, as many each time, the most telling first."""
    parts = [f"loss {row['loss']:.3f}"]
    parts += [f"{n.split('/')[1]} {v:.3f}" for n, v in row.items() if n.startswith("reward/")]
    if "positive_advantage" in row:
        parts.append(f"adv+ {100 * row['positive_advantage']:.0f}%")
    return " ".join(parts)
