"""A run that is killed, stopped or cannot save: what is left, and how it ends after all."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from child_processes import start, wait_for
from full_disk import files_end_at, free_bytes
from sittings import STEPS, config, train, train_slowly, train_until_operation, trainer
from tiny_training import per_image, small_model

from gegcore.errors import StorageError, TrainingError, TrainingInterrupted
from gegcore.models import Captioner
from gegcore.rewards import WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.interrupt import SIGNALS, StopNow, StopRequest

KEPT = ("checkpoint.safetensors", "log.csv", "history.json")
STATE = "state/resume.safetensors"


def assert_same_end(run: Path, whole: Path) -> None:
    for name in KEPT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.fixture(scope="module", params=["cross_entropy", "self_critical"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption, in a folder with the name of its loss."""
    folder = tmp_path_factory.mktemp("whole") / request.param
    settings = config(request.param)
    progress = train(folder, settings)
    assert progress.step == STEPS and 0 < progress.best_epoch < settings.epochs
    return folder


def test_killed_during_a_save(whole: Path, tmp_path: Path) -> None:
    """SIGKILL before syncing or renaming one of the files, in four sittings."""
    settings = config(whole.name)
    lots = random.Random(whole.name)
    for last in lots.sample(range(1, 9), 4):
        process = start(train_until_operation, tmp_path, settings, last)
        process.join(timeout=120)
        assert process.exitcode == -signal.SIGKILL
    train(tmp_path, settings)
    assert_same_end(tmp_path, whole)
    assert not list(tmp_path.rglob("*.part")) and (tmp_path / STATE).is_file()


def test_killed_at_any_moment_loses_few_steps(whole: Path, tmp_path: Path) -> None:
    settings = config(whole.name)
    lots = random.Random(whole.name)
    state, hits, reached = tmp_path / STATE, 0, 0
    for _ in range(6):
        process = start(train_slowly, tmp_path, settings)
        wait_for(state.exists)
        time.sleep(lots.random() * 0.5)
        process.kill()
        process.join(timeout=120)
        hits += process.exitcode == -signal.SIGKILL
        resumed = trainer(tmp_path, settings)
        resumed._resume()
        assert resumed.progress.step >= reached  # nothing that was saved is ever lost
        reached = resumed.progress.step
    assert hits > 0
    train(tmp_path, settings)
    assert_same_end(tmp_path, whole)


class Signalling:
    """A reward, or a validation, during which this process gets signals."""

    def __init__(self, at: int, *numbers: signal.Signals) -> None:
        self.at, self.numbers, self.calls = at, numbers, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            for number in self.numbers:
                signal.raise_signal(number)


def signalled_step(run: Any, signalling: Signalling) -> None:
    step = run.objective.step

    def signalled(model: Captioner, images: torch.Tensor, noise: torch.Tensor) -> Any:
        signalling()
        return step(model, images, noise)

    run.objective.step = signalled


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_step_and_saves(
    whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    settings, before = config(whole.name, checkpoint_every=100), signal.getsignal(number)
    run = trainer(tmp_path, settings)
    signalled_step(run, Signalling(5, number))
    with pytest.raises(TrainingInterrupted, match=f"{number.name} after step 5 of 12") as stopped:
        run.fit()
    assert stopped.value.number == number
    assert signal.getsignal(number) is before
    resumed = trainer(tmp_path, settings)
    resumed._resume()
    assert resumed.progress.step == 5
    train(tmp_path, settings)
    assert_same_end(tmp_path, whole)


def test_a_signal_does_not_wait_for_the_validation(whole: Path, tmp_path: Path) -> None:
    settings, signalling = config(whole.name, checkpoint_every=100), Signalling(3, signal.SIGTERM)

    def validate(model: Captioner) -> dict[str, float]:
        signalling()
        pytest.fail("validation went on") if signalling.calls == 3 else None
        return {"CIDEr-D": 1.0, "R@1": 0.0, "GEG-Avg": 0.0}

    with pytest.raises(TrainingInterrupted, match="after step 6 of 12"):
        trainer(tmp_path, settings, validate=validate).fit()
    resumed = trainer(tmp_path, settings)
    resumed._resume()
    assert resumed.progress.step == 6 and len(resumed.progress.history) == 2
    resumed.fit()
    assert [row["step"] for row in resumed.progress.history] == [0, 3, 6, 9, 12]


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    run = trainer(tmp_path, config())
    signalled_step(run, Signalling(5, signal.SIGINT, signal.SIGINT))
    with pytest.raises(TrainingInterrupted, match="stopped at once, in step 5"):
        run.fit()
    assert run.progress.step == 4
    resumed = trainer(tmp_path, config())
    resumed._resume()
    assert resumed.progress.step == 4


def test_outside_the_main_thread_nothing_is_handled() -> None:
    before, seen = [signal.getsignal(number) for number in SIGNALS], []

    def enter() -> None:
        with StopRequest():
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == before


def test_a_wish_from_before_interrupts_what_may_be_interrupted() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StopNow), stop.at_once():
            pytest.fail("it began")
        signal.raise_signal(signal.SIGTERM)  # noted, not raised
    assert stop.signal == signal.SIGTERM


@pytest.mark.parametrize("file", ["state", "log"])
@pytest.mark.parametrize(("operation", "code"), [("fsync", errno.ENOSPC), ("replace", errno.EROFS)])
def test_a_failed_save_is_an_error_and_leaves_the_last_state(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    code: int,
    file: str,
) -> None:
    settings = config(whole.name)
    calls, working = 0, getattr(os, operation)

    def failing(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == {"state": 5, "log": 6}[file]:  # after those of steps 0 and 2
            raise OSError(code, os.strerror(code))
        working(*arguments)

    kept = {"state": 2, "log": 3}[file]  # the state is written first

    monkeypatch.setattr(os, operation, failing)
    told = rf"step 3 cannot be saved .*{os.strerror(code)}\n.*goes on from step {kept}"
    with pytest.raises(TrainingError, match=told):
        train(tmp_path, settings)
    monkeypatch.undo()
    resumed = trainer(tmp_path, settings)
    resumed._resume()
    assert resumed.progress.step == kept
    train(tmp_path, settings)
    assert_same_end(tmp_path, whole)


def test_a_disk_that_is_full_in_the_middle(whole: Path, tmp_path: Path) -> None:
    """A first state has no moments of Adam yet: there is room for it, and not for the second."""
    settings = config(whole.name)
    model = sum(p.nbytes for p in small_model().parameters())
    said = "step 2 cannot be saved .*File too large"
    with files_end_at(3 * model + 10_000), pytest.raises(TrainingError, match=said) as told:
        train(tmp_path, settings)
    assert "goes on from step 0" in told.value.fix
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["resume.safetensors"]
    train(tmp_path, settings)
    assert_same_end(tmp_path, whole)


def test_room_for_two_states_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sum(p.nbytes for p in small_model().parameters())
    settings = config(checkpoint_every=100)
    free_bytes(monkeypatch, 8 * model - 1)
    with pytest.raises(StorageError, match=f"states of {tmp_path.name} need .* are free"):
        train(tmp_path, settings)
    assert list(tmp_path.iterdir()) == []
    free_bytes(monkeypatch, 8 * model)
    run = trainer(tmp_path, settings)
    signalled_step(run, Signalling(4, signal.SIGTERM))
    with pytest.raises(TrainingInterrupted):
        run.fit()
    free_bytes(monkeypatch, 5 * model)  # one state is there
    train(tmp_path, settings)
    free_bytes(monkeypatch, 0)  # nothing left to save
    assert trainer(tmp_path, settings).fit().step == STEPS


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="step 0 cannot be saved"):
        train(tmp_path, config())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("baseline", ["greedy", "mean_of_others"])
def test_a_reward_of_ones_own_that_is_not_finite_stops(
    baseline: str, value: float, tmp_path: Path
) -> None:
    settings = config("self_critical", baseline=baseline)
    run = trainer(tmp_path, settings)

    def reward(tokens: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        scores = per_image(tokens, image_index)
        scores[0, -1] = value
        return scores

    run.objective.reward = WeightedReward({"mine": (1.0, reward)})  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match=r"the reward/mine is (nan|inf) at step 1"):
        run.fit()
    resumed = trainer(tmp_path, settings)
    resumed._resume()
    assert resumed.progress.step == 0  # nothing of the broken model was stored


def test_sittings_are_recorded(tmp_path: Path) -> None:
    settings = config(checkpoint_every=100)
    run = trainer(tmp_path, settings)
    signalled_step(run, Signalling(4, signal.SIGTERM))
    with pytest.raises(TrainingInterrupted):
        run.fit()
    other = ObjectiveConfig(**{**settings.model_dump(), "accumulate": 2})
    sittings = train(tmp_path, other).sittings
    assert [(s["step"], s["accumulate"], s["precision"]) for s in sittings] == [
        (0, 1, "no"),
        (4, 2, "no"),
    ]
