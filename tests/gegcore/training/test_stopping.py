"""When training ends before its last epoch: the written rule, word for word, and after a resume."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from child_processes import together
from hypothesis import given
from hypothesis import strategies as st
from sittings import config, train, trainer, validate

from gegcore.errors import ConfigError, TrainingError, TrainingInterrupted
from gegcore.models import Captioner
from gegcore.profiles import load_profile
from gegcore.training.config import ObjectiveConfig, StoppingRule, objective_config

CIDER, RECALL = "CIDEr-D", "R@1"
RULE = {"metric": CIDER, "gain": 0.05, "least": 1}
PER_EPOCH = 3  # steps of `sittings`


class Scripted:
    """A validation that says a number by epoch, whichever sitting asks."""

    def __init__(self, cider: list[float], recall: list[float] | None = None) -> None:
        self.cider, self.recall, self.progress = cider, recall or cider, None

    def watch(self, run: Any) -> None:
        self.run = run

    def __call__(self, model: Captioner) -> dict[str, float]:
        epoch = self.run.progress.step // PER_EPOCH
        return {CIDER: self.cider[epoch], RECALL: self.recall[epoch], "GEG-Avg": 0.0}


def scripted(
    folder: Path, cider: list[float], recall: list[float] | None = None, **rule: Any
) -> Any:
    """A run of at most as many epochs as there are numbers for."""
    select = {"metric": RECALL} if recall else {}
    settings = config("cross_entropy", epochs=len(cider) - 1, until={**RULE, **rule}, select=select)
    script = Scripted(cider, recall)
    run = trainer(folder, settings, validate=script)
    script.watch(run)
    return run


@pytest.mark.parametrize(
    ("values", "converged"),
    [
        ([100.0], False),
        ([100.0, 100.0, 100.0], False),  # fewer epochs than `least`
        ([0.0, 50.0, 100.0, 101.0], False),  # a gain of exactly 1 % is none below it
        ([0.0, 50.0, 100.0, 100.9], True),
        ([0.0, 100.0, 50.0, 99.0], True),  # of the best before, not of the last
        ([0.0, 100.0, 50.0, 102.0], False),
        ([-2.0, -1.0, -1.0, -0.995], True),  # relative to its size
        ([-2.0, -1.0, -1.0, -0.9], False),
        ([0.0, 0.0, 0.0, 0.0], True),
        ([0.0, 0.0, 0.0, 1e-6], False),
    ],
)
def test_the_rule(values: list[float], converged: bool) -> None:
    assert StoppingRule(gain=0.01, least=3).converged(values) is converged


@given(st.lists(st.floats(0, 200), min_size=1, max_size=9), st.integers(1, 5), st.floats(0, 0.2))
def test_the_first_epoch_of_which_it_is_true(values: list[float], least: int, gain: float) -> None:
    rule = StoppingRule(gain=gain, least=least)
    ends = [e for e in range(len(values)) if rule.converged(values[: e + 1])]
    small = [e for e in range(least, len(values)) if values[e] <= max(values[:e])]
    assert set(small) <= set(ends) and min(ends, default=least) >= least
    for epoch in ends:
        best = max(values[:epoch])
        assert values[epoch] <= best or values[epoch] - best < gain * best


def test_a_run_ends_where_its_metric_no_longer_rises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven epochs at most, five for the rule; a window of the log that is not full is written."""
    run = scripted(tmp_path, [10, 20, 19, 40, 60, 62, 90, 99], gain=0.05, least=3)
    progress = run.fit()
    assert (run.ended, progress.epoch, progress.step) == ("converged", 5, 15)
    assert len(progress.history) == 6 and progress.best_epoch == 5
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["step"].tolist() == [15] and log["epoch"].tolist() == [4]
    assert (
        f"{tmp_path.name} ended after epoch 5 (converged); kept epoch 5\n"
        in capsys.readouterr().out
    )
    again = scripted(tmp_path, [0.0] * 8, gain=0.05, least=3)
    assert again.fit().step == 15 and again.ended == "converged"  # nothing is left to do


def test_epochs_are_the_upper_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = scripted(tmp_path, [10, 20, 30])
    assert run.ended is None
    assert (run.fit().epoch, run.ended) == (2, "all epochs")
    assert "ended after epoch 2 (all epochs); kept epoch 2" in capsys.readouterr().out


def test_which_epoch_is_kept_is_for_the_other_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CIDEr-D converges in epoch 2, R@1 never was as high as before training: that is said."""
    run = scripted(tmp_path, [10, 20, 20, 90], recall=[9.0, 1.0, 2.0, 99.0])
    progress = run.fit()
    assert (run.ended, progress.epoch, progress.best_epoch) == ("converged", 2, 0)
    said = "ended after epoch 2 (converged); kept epoch 0, the model before training"
    assert said in capsys.readouterr().out


@pytest.fixture(scope="module", params=["cross_entropy", "self_critical"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that converges after two of its four epochs, in a folder with the name of its loss."""
    folder = tmp_path_factory.mktemp("whole") / request.param
    progress = train(folder, config(request.param, until=RULE))
    assert 0 < progress.epoch < 4, progress.history
    return folder


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_resumed_run_ends_in_the_same_epoch(whole: Path, tmp_path: Path, before: int) -> None:
    """Stopped in, or in the step before, the validation after which it ends; or in its middle."""
    settings, end = (
        config(whole.name, until=RULE),
        len(json.loads((whole / "history.json").read_text())["history"]) - 1,
    )

    def stopping(model: Captioner) -> dict[str, float]:
        if before == 0 and run.progress.step == end * PER_EPOCH:
            signal.raise_signal(signal.SIGTERM)
        return validate(model)

    run = trainer(tmp_path, settings, validate=stopping)
    step = run.objective.step

    def stopping_step(*arguments: Any) -> Any:
        if before and run.progress.step == end * PER_EPOCH - before:
            signal.raise_signal(signal.SIGTERM)
        return step(*arguments)

    run.objective.step = stopping_step  # type: ignore[method-assign]
    with pytest.raises(TrainingInterrupted):
        run.fit()
    assert train(tmp_path, settings).epoch == end
    for name in ("checkpoint.safetensors", "log.csv", "history.json"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def train_both(folder: Path) -> None:
    for loss in ("cross_entropy", "self_critical"):
        train(folder / loss, config(loss, until=RULE, images_per_step=7), dropout=False)


@pytest.mark.timeout(300)
def test_several_processes_end_together(tmp_path: Path) -> None:
    together(train_both, 2, tmp_path / "two")
    (tmp_path / "one").mkdir()
    train_both(tmp_path / "one")
    for loss in ("cross_entropy", "self_critical"):
        two, one = (
            json.loads((tmp_path / name / loss / "history.json").read_text())
            for name in ("two", "one")
        )
        assert (two["ended"], len(two["history"])) == (one["ended"], len(one["history"]))
        assert [row["step"] for row in two["log"]] == [row["step"] for row in one["log"]]


def test_another_rule_is_another_run(tmp_path: Path) -> None:
    train(tmp_path, config(until=RULE))
    assert config(until=RULE).decisive()["until"] == RULE
    with pytest.raises(TrainingError, match="another run: until .*0.05.* not .*0.06"):
        train(tmp_path, config(until={**RULE, "gain": 0.06}))


def test_a_rule_over_pictures_makes_them_part_of_a_run() -> None:
    plain = ObjectiveConfig(loss="self_critical", until=StoppingRule())
    assert not plain.sees_pictures
    assert plain.model_copy(update={"until": StoppingRule(metric=RECALL)}).sees_pictures


def test_a_cosine_has_no_early_end() -> None:
    rule = {"schedule": "cosine", "until": {"gain": 0.01}}
    with pytest.raises(ConfigError, match=r"'mle', field 'until'.*'cosine'(.|\n)*leave until out"):
        objective_config("mle", rule)
    for schedule in ("constant", "noam", "step"):
        found = objective_config("mle", {**rule, "schedule": schedule}).until
        assert found == StoppingRule(metric=CIDER, gain=0.01, least=4)
    profile = load_profile("quick")  # its MLE has a cosine, its SCST a constant rate
    with pytest.raises(ConfigError, match="field 'until'"):
        profile.changed("transformer", "mle", until={"gain": 0.01})
    changed = profile.changed("transformer", "scst", until={"gain": 0.02})
    assert changed.objective("scst", "transformer").until == StoppingRule(gain=0.02)
    assert changed.objective("scst", "updown").until is None
    with pytest.raises(ConfigError, match=r"until\.gain"):
        objective_config("scst", {"until": {"gain": -1}})


def test_the_rule_sees_the_model_before_training(tmp_path: Path) -> None:
    """An objective that goes on from a model which cannot be improved ends as soon as it may."""
    run = scripted(tmp_path, [50, 40, 45, 48, 49], least=2)
    assert (run.fit().epoch, run.ended) == (2, "converged")
    assert torch.isfinite(torch.tensor(run.progress.best)) and run.progress.best_epoch == 0
