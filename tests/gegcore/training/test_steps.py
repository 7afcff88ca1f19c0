"""What each step of a run is given: its images, random numbers, epoch and learning rate."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sittings import config, trainer
from tiny_training import IMAGES

from gegcore.errors import TrainingError, TrainingInterrupted
from gegcore.training import loop
from gegcore.training.loop import DROPOUT, ORDER, SAMPLING, Trainer, stream_seed

STEPS_PER_EPOCH = 3  # of 3, 3 and 2 of eight images


class Spied:
    """A run whose steps are written down and not taken."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.run: Trainer = trainer(folder, config("cross_entropy", epochs=2, **settings))
        self.batches: list[list[int]] = []
        self.noise: list[torch.Tensor] = []
        self.rates: list[float] = []
        self.epochs: list[int] = []
        self.run.optimiser_step = self.step  # type: ignore[assignment]
        self.run.objective.start_epoch = self.epochs.append  # type: ignore[method-assign]
        self.run.monitor.step = lambda *arguments: None  # type: ignore[method-assign]
        for _ in range(2 * STEPS_PER_EPOCH):
            assert self.run._step(None) is False  # type: ignore[arg-type]

    def step(self, batch: torch.Tensor, noise: torch.Tensor, rate: float, stop: Any) -> Any:
        self.batches.append(batch.tolist())
        self.noise.append(noise)
        self.rates.append(rate)
        return {}, False


def test_every_epoch_takes_every_image_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    seen = Spied(tmp_path).batches
    assert [len(batch) for batch in seen] == [3, 3, 2, 3, 3, 2]
    first, second = sum(seen[:3], []), sum(seen[3:], [])
    assert sorted(first) == sorted(second) == list(range(IMAGES)) and first != second
    for epoch, order in enumerate((first, second)):
        generator = torch.Generator().manual_seed(stream_seed(5, epoch, ORDER))
        assert order == torch.randperm(IMAGES, generator=generator).tolist()


def test_random_numbers_are_a_function_of_seed_and_step(tmp_path: Path) -> None:
    for step, noise in enumerate(Spied(tmp_path).noise):
        generator = torch.Generator().manual_seed(stream_seed(5, step, SAMPLING))
        expected = torch.rand(noise.shape, dtype=torch.float64, generator=generator)
        assert torch.equal(noise, expected)


def test_dropout_draws_from_its_own_stream(tmp_path: Path) -> None:
    run = Spied(tmp_path).run
    drawn = torch.rand(3)
    torch.manual_seed(stream_seed(5, 5, DROPOUT))
    assert run.progress.step == 6 and torch.equal(drawn, torch.rand(3))


def test_streams_are_pinned() -> None:
    """Another formula would be another run of the same seed."""
    assert (DROPOUT, SAMPLING, ORDER) == (1, 2, 3)
    assert stream_seed(5, 7, SAMPLING) == (5 * 1_000_003 + 7) * 16 + 2
    few = [stream_seed(*of) for of in ((0, 0, 1), (0, 0, 2), (0, 1, 1), (1, 0, 1))]
    assert few == [1, 2, 17, 16_000_049]


def test_steps_are_told_their_epoch_and_their_rate(tmp_path: Path) -> None:
    seen = Spied(tmp_path, schedule="step", decay=0.5, decay_every=1, learning_rate=0.25)
    assert seen.epochs == [0, 0, 0, 1, 1, 1]
    assert seen.rates == [0.25, 0.25, 0.25, 0.125, 0.125, 0.125]


@pytest.mark.parametrize("other", ["model", "images", "seed", "learning_rate"])
def test_a_state_of_another_run_is_refused(tmp_path: Path, other: str) -> None:
    settings = config("cross_entropy", epochs=1)
    run = trainer(tmp_path, settings)
    run.fit()
    assert (tmp_path / "state" / "resume.safetensors").is_file()
    changed: dict[str, Any] = {"seed": {"seed": 6}, "images": {"num_images": 9}}.get(other, {})
    if other == "learning_rate":
        settings = config("cross_entropy", epochs=1, learning_rate=0.5)
    resumed = trainer(tmp_path, settings, **changed)
    if other == "model":
        stored = resumed.parts.run["model"]
        assert stored == type(run.model).__name__
        resumed.parts.run["model"] = "Another"  # type: ignore[index]
    with pytest.raises(TrainingError, match=f"another run: {other} "):
        resumed.fit()


class Called:
    """A step of a run, replaced."""

    def __init__(self, step: Callable[..., Any], parameters: Any) -> None:
        self.step, self.parameters = step, parameters

    def __call__(self, *arguments: Any) -> Any:
        return self.step(*arguments)


class Clock:
    """Ten seconds a step, and a night between two sittings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: self.now))

    def runs_during(self, run: Trainer, stop_before: int | None = None) -> None:
        step = run.optimiser_step.__call__

        def slow(*arguments: Any) -> Any:
            self.now += 10
            if run.progress.step == stop_before:
                signal.raise_signal(signal.SIGTERM)
            return step(*arguments)

        parameters = run.optimiser_step.parameters
        run.optimiser_step = Called(slow, parameters)  # type: ignore[assignment]


def test_what_is_recorded_of_a_run_in_two_sittings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, clock = config("cross_entropy", epochs=2), Clock(monkeypatch)
    first = trainer(tmp_path, settings)
    parameters, checked = first.optimiser_step.parameters, list[Any]()
    monkeypatch.setattr(loop, "check_same_weights", lambda _, found: checked.append(found))
    clock.runs_during(first, stop_before=3)
    with pytest.raises(TrainingInterrupted, match="stopped by SIGTERM after step 4 of 6"):
        first.fit()
    assert first.progress.seconds == 40
    assert len(checked) == 2 and all(found is parameters for found in checked)
    clock.now = 30_000.0
    second = trainer(tmp_path, settings)
    clock.runs_during(second)
    progress = second.fit()
    assert progress.seconds == 60
    rows = [(row["epoch"], row["step"]) for row in progress.history]
    assert rows == [(0, 0), (1, 3), (2, 6)] and all(type(epoch) is int for epoch, _ in rows)
    sitting = {"device": "cpu", "precision": "no", "processes": 1, "accumulate": 1}
    assert progress.sittings == [{"step": 0, **sitting}, {"step": 4, **sitting}]


def test_a_finished_run_validates_nothing_again(tmp_path: Path) -> None:
    settings = config("cross_entropy", epochs=1)
    assert len(trainer(tmp_path, settings).fit().history) == 2
    again = trainer(tmp_path, settings, validate=lambda model: pytest.fail("validated"))
    assert len(again.fit().history) == 2


def test_captions_of_the_validation_reach_the_monitor(tmp_path: Path) -> None:
    said = {"7": "a cat"}
    run = trainer(tmp_path, config("cross_entropy", epochs=1), captions=lambda: said)
    run.fit()
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and all("a cat" in json.dumps(row) for row in rows)
