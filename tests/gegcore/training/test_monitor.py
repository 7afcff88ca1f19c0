"""A run's log, bar and event files: few waits for the device, and the same after a resume."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from full_disk import files_end_at
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gegcore.errors import TrainingError
from gegcore.training.checkpoint import Progress
from gegcore.training.config import ObjectiveConfig
from gegcore.training.monitor import Monitor
from gegcore.training.schedule import learning_rate

CONFIG = ObjectiveConfig(loss="self_critical", samples=4, epochs=2, schedule="cosine")
STEPS, PER_EPOCH = 23, 11


def metrics(step: int) -> dict[str, Tensor]:
    """What a healthy step says; reward and loss differ from step to step."""
    noise = math.sin(step)
    values = {"loss": 0.1 * noise, "grad_norm": 1.0 + 0.1 * noise, "reward": 2 + 0.2 * noise}
    values |= {"reward/cider": 1.7, "reward/geg_avg": 0.05, "positive_advantage": 0.5}
    values |= {"length": 9.0, "entropy": 1.0, "distinct": 0.9, "bad_endings": 0.0, "empty": 0.0}
    return {name: torch.tensor(value) for name, value in values.items()}


def train(
    monitor: Monitor,
    progress: Progress,
    until: int = STEPS,
    measure: Callable[[int], dict[str, Tensor]] = metrics,
) -> Progress:
    """The calls of a training loop, from where `progress` is."""
    monitor.open(progress, STEPS)
    try:
        if not progress.history:
            _validate(monitor, progress)
        while progress.step < until:
            progress.step += 1
            monitor.step(progress, measure(progress.step))
            if progress.step % PER_EPOCH == 0:
                progress.epoch += 1
                _validate(monitor, progress)
        if progress.step == STEPS:
            monitor.end_window(progress)
        monitor.write(progress)
    finally:
        monitor.close()
    return progress


def _validate(monitor: Monitor, progress: Progress) -> None:
    row = {"CIDEr-D": 100.0 + progress.epoch}
    progress.history.append({"epoch": progress.epoch, **row})
    monitor.validated(progress, row)


def new(folder: Path, every: int = 5, **options: Any) -> Monitor:
    return Monitor(folder, CONFIG, lambda: {"7": "a dog"}, every=every, **options)


def stored(progress: Progress) -> Progress:
    """As a checkpoint keeps it."""
    return Progress(**json.loads(json.dumps(asdict(progress))))


def test_rows_are_means_over_windows(tmp_path: Path) -> None:
    train(new(tmp_path), Progress())
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["step"].tolist() == [5, 10, 15, 20, 23]
    assert log["epoch"].tolist() == [0, 0, 1, 1, 2]
    for end, size, value in zip(log["step"], [5, 5, 5, 5, 3], log["reward"], strict=True):
        steps = range(end - size + 1, end + 1)
        assert value == pytest.approx(
            sum(metrics(i)["reward"].item() for i in steps) / size, rel=1e-5
        )
    rates = [learning_rate(CONFIG, step - 1, STEPS) for step in log["step"]]  # of its last step
    assert log["learning_rate"].tolist() == pytest.approx(rates, rel=1e-5)
    assert log["grad_norm"].between(0.9, 1.1).all()


@settings(deadline=None, max_examples=15)
@given(cut=st.integers(0, STEPS), every=st.integers(1, 9))
def test_log_after_a_resume_is_that_of_an_uninterrupted_run(
    tmp_path_factory: pytest.TempPathFactory, cut: int, every: int
) -> None:
    """At any step, also inside a window; the cut run goes on for some steps that are lost."""
    folder = tmp_path_factory.mktemp("run")
    options = {"shows": False}
    whole = train(new(folder, every, **options), Progress())
    checkpoint = stored(train(new(folder, every, **options), Progress(), cut))
    train(new(folder, every, **options), stored(checkpoint), min(cut + 3, STEPS))
    assert train(new(folder, every, **options), checkpoint) == whole


def test_files_after_a_resume_are_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    train(new(tmp_path / "whole"), Progress())
    checkpoint = stored(train(new(tmp_path / "cut"), Progress(), 13))
    train(new(tmp_path / "cut"), stored(checkpoint), 22)
    train(new(tmp_path / "cut"), checkpoint)
    for name in ("log.csv", "samples.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert scalars(tmp_path / "cut") == scalars(tmp_path / "whole")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_tensorboard_shows_the_log_and_the_validation(tmp_path: Path) -> None:
    train(new(tmp_path), Progress())
    found, log = scalars(tmp_path), pd.read_csv(tmp_path / "log.csv")
    for tag, column in (("training/loss", "loss"), ("reward/cider", "reward/cider")):
        assert [step for step, _ in found[tag]] == log["step"].tolist()
        assert [value for _, value in found[tag]] == pytest.approx(log[column].tolist(), rel=1e-5)
    assert found["validation/CIDEr-D"] == [(0, 100.0), (11, 101.0), (22, 102.0)]
    size = sum(path.stat().st_size for path in (tmp_path / "tensorboard").iterdir())
    assert size < 100 * sum(map(len, found.values())) + 1000


def test_event_files_do_not_tell_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "host-of-somebody")
    checkpoint = stored(train(new(tmp_path), Progress(), 13))
    train(new(tmp_path), checkpoint)
    written = list((tmp_path / "tensorboard").iterdir())
    assert len(written) == 2  # a file a sitting
    for path in written:
        assert "somebody" not in path.name and b"somebody" not in path.read_bytes()
        assert re.fullmatch(r"events\.out\.tfevents\.[\d.]+", path.name)


def test_curves_are_there_while_a_run_trains(tmp_path: Path) -> None:
    monitor, progress = new(tmp_path, every=2), Progress()
    monitor.open(progress, STEPS)
    for progress.step in (1, 2):
        monitor.step(progress, metrics(progress.step))
    assert [step for step, _ in scalars(tmp_path)["training/loss"]] == [2]
    monitor.close()


def test_without_tensorboard_a_run_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train(new(tmp_path), Progress())
    assert "no curves for TensorBoard: pip install tensorboard\n" in capsys.readouterr().err
    assert (tmp_path / "log.csv").exists() and not (tmp_path / "tensorboard").exists()


def test_captions_are_kept_for_every_epoch(tmp_path: Path) -> None:
    train(new(tmp_path), Progress())
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["step"]) for row in rows] == [(0, 0), (1, 11), (2, 22)]
    assert rows[0]["captions"] == {"7": "a dog"}


class Watched(Tensor):
    """A tensor that counts how often its values are brought to the host."""

    waits = 0

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        waiting = {
            "item",
            "tolist",
            "cpu",
            "numpy",
            "__bool__",
            "__float__",
            "__int__",
            "__index__",
        }
        if getattr(function, "__name__", "") in waiting:
            Watched.waits += 1
        return super().__torch_function__(function, types, args, kwargs or {})


def test_the_host_waits_for_the_device_once_a_window(tmp_path: Path) -> None:
    def watched(step: int) -> dict[str, Tensor]:
        return {name: value.as_subclass(Watched) for name, value in metrics(step).items()}

    Watched.waits = 0
    assert bool(torch.ones(1).as_subclass(Watched)) and Watched.waits == 1  # they do count
    Watched.waits = 0
    train(new(tmp_path, every=5), Progress(), measure=watched)
    assert Watched.waits == 5  # windows of 5, 5, 5, 5 and 3 steps


def test_metrics_do_not_keep_the_graph_of_a_step(tmp_path: Path) -> None:
    monitor, progress = new(tmp_path, shows=False), Progress(step=1)
    monitor.open(progress, STEPS)
    monitor.step(progress, {"loss": torch.ones(3, requires_grad=True).sum()})
    assert not any(waiting.requires_grad for waiting in monitor._waiting)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_nan_stops_with_step_and_checkpoint(tmp_path: Path, name: str) -> None:
    def measure(step: int) -> dict[str, Tensor]:
        return metrics(step) | ({name: torch.tensor(math.nan)} if step >= 18 else {})

    checkpoint = stored(train(new(tmp_path), Progress(), 12))
    with pytest.raises(TrainingError, match="is nan at step 18") as caught:
        train(new(tmp_path), checkpoint, measure=measure)
    assert "step 12" in caught.value.fix and str(tmp_path / "state") in caught.value.fix
    assert "learning rate" in caught.value.fix


def test_no_checkpoint_is_written_of_a_broken_model(tmp_path: Path) -> None:
    """The checkpoint falls between the step that broke it and the end of the window."""

    def measure(step: int) -> dict[str, Tensor]:
        return metrics(step) | ({"loss": torch.tensor(math.inf)} if step == 12 else {})

    with pytest.raises(TrainingError, match="inf at step 12.*\n.*No checkpoint"):
        train(new(tmp_path), Progress(), 13, measure)


def test_overflows_of_a_loss_scaler_are_no_error(tmp_path: Path) -> None:
    def measure(step: int) -> dict[str, Tensor]:
        return metrics(step) | ({"grad_norm": torch.tensor(math.inf)} if step < 3 else {})

    train(new(tmp_path, loss_scaling=True), Progress(), measure=measure)
    assert pd.read_csv(tmp_path / "log.csv")["grad_norm"].between(0.9, 1.1).all()


def collapsing(step: int) -> dict[str, Tensor]:
    late = {"length": torch.tensor(4.0), "bad_endings": torch.tensor(0.95)}
    return metrics(step) | (late if step > 5 else {})


def test_collapse_stops_and_leaves_the_log(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="captions are cut short") as caught:
        train(new(tmp_path), Progress(), measure=collapsing)
    assert "guards: warn" in caught.value.fix
    assert pd.read_csv(tmp_path / "log.csv")["step"].tolist() == [5, 10, 15, 20]


def test_collapse_may_be_what_one_wants_to_see(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIG.model_copy(update={"guards": "warn"})
    progress = train(Monitor(tmp_path, config, every=2), Progress(), measure=collapsing)
    assert progress.step == STEPS
    said = capsys.readouterr().out
    assert said.count("warning: captions are cut short") == 1


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    progress = train(Monitor(tmp_path, CONFIG, every=5, shows=False), Progress(), 5)
    assert len(progress.log) == 1 and list(tmp_path.iterdir()) == []


def bar_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int) -> list[str]:
    """Every state of the bar in a terminal of so many columns."""
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _: (columns, 40))
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    train(new(tmp_path), Progress())
    return [line for line in re.split(r"[\r\n]+", screen.getvalue()) if "epoch" in line]


@pytest.mark.parametrize("columns", [80, 100])
def test_bar_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int
) -> None:
    lines = bar_lines(monkeypatch, tmp_path, columns)
    assert max(map(len, lines)) <= columns
    for part in (
        "epoch 2/2",
        "23/23",
        "<00:00",
        "loss ",
        "cider 1.700",
        "geg_avg 0.050",
        "adv+ 50%",
    ):
        assert part in lines[-1], (part, lines[-1])


def test_curves_that_cannot_be_written_end_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_end_at(700):
        progress = train(new(tmp_path), Progress(), 13)
    assert progress.step == 13 and (tmp_path / "log.csv").exists()
    said = capsys.readouterr().err
    assert said.count("no curves for TensorBoard: ") == 1 and "File too large" in said
    assert "Traceback" not in said
    train(new(tmp_path), progress)  # a later sitting has curves again
    assert [step for step, _ in scalars(tmp_path)["training/loss"]][-2:] == [20, 23]


@pytest.mark.usefixtures("capsys")  # what a test says goes to a file, without this
def test_a_full_disk_does_not_hide_why_a_run_stops(tmp_path: Path) -> None:
    def measure(step: int) -> dict[str, Tensor]:
        return metrics(step) | ({"loss": torch.tensor(math.nan)} if step >= 4 else {})

    with files_end_at(0), pytest.raises(TrainingError, match="is nan at step 4"):
        train(new(tmp_path), Progress(), measure=measure)


def test_event_files_do_not_name_the_machine(tmp_path: Path) -> None:
    train(new(tmp_path), Progress())
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\.\d{6}", path.name)
