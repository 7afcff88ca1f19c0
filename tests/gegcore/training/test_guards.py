"""Guards on logs of real runs, good and bad, and on made-up ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gegcore.training.config import ObjectiveConfig, objective_config
from gegcore.training.guards import IN_A_ROW, Row, findings, first_findings, not_finite, rules

# Of seven captioners trained in an older world; windows of 20 steps. Those without "learning rate"
# in their name have that of the profile, or twice as much.
LOGS: dict[str, list[Row]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "training" / "logs.json").read_text()
)
SCST = ObjectiveConfig(loss="self_critical", samples=5)
MLE = ObjectiveConfig(loss="cross_entropy")

START = {
    **{"step": 20.0, "loss": -0.1, "reward": 1.9, "reward_greedy": 2.4, "reward/cider": 1.9},
    **{"reward_std/cider": 0.6, "positive_advantage": 0.4, "length": 9.5, "entropy": 1.2},
    **{"distinct": 0.95, "bad_endings": 0.01, "empty": 0.0, "unfinished": 0.0},
    **{"opening": 0.2, "different": 0.9},
}


def log_of(*changes: dict[str, float]) -> list[Row]:
    """A log that starts well; each change is what later rows say."""
    return [START, *({**START, **row, "step": 40.0 + 20 * i} for i, row in enumerate(changes))]


def stops(log: list[Row], config: ObjectiveConfig = SCST) -> list[str]:
    return [f.rule.what for f in first_findings(log, rules(config)) if f.rule.stop]


@pytest.mark.parametrize("name", ["Transformer", "Transformer, GEG", "LSTM-A3"])
def test_nothing_is_said_of_healthy_runs(name: str) -> None:
    assert first_findings(LOGS[name], rules(SCST)) == []


def test_captions_that_become_short_are_a_warning() -> None:
    """The paper's baseline at twice the learning rate of this project."""
    (finding,) = first_findings(LOGS["Transformer, greedy baseline"], rules(SCST))
    assert finding.rule.what == "captions become short" and not finding.rule.stop


def test_a_run_that_recovers_goes_on() -> None:
    assert stops(LOGS["Up-Down, learning rate 1e-3"]) == []


@pytest.mark.parametrize(
    ("name", "step"),
    [("Up-Down, learning rate 2e-3", 140), ("Transformer, learning rate 5e-3", 80)],
)
def test_collapsed_runs_stop(name: str, step: int) -> None:
    found = [f for f in first_findings(LOGS[name], rules(SCST)) if f.rule.stop]
    assert "the reward collapsed" in [f.rule.what for f in found]
    assert min(f.step for f in found) == step


def test_geg_sole_is_warned_of_and_goes_on() -> None:
    sole = objective_config("scst_geg_sole")
    found = [f.rule for f in first_findings(LOGS["Transformer, GEG-sole"], rules(sole))]
    assert {"captions become long", "captions never end"} <= {rule.what for rule in found}
    assert not any(rule.stop for rule in found)
    assert stops(LOGS["Transformer, GEG-sole"]) == ["captions never end"]


def test_a_picture_of_a_stops() -> None:
    """What the greedy baseline came to in an early world within 200 steps."""
    cut = {"length": 4.2, "bad_endings": 0.97, "reward": 0.7, "distinct": 0.6, "entropy": 0.3}
    said = stops(log_of({"length": 8.0}, {"length": 6.0, "bad_endings": 0.5}, cut, cut, cut))
    expected = ["captions are cut short", "captions end in mid-phrase", "the reward collapsed"]
    assert sorted(said) == sorted(expected)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"empty": 0.6}, "captions have no words"),
        ({"unfinished": 1.0}, "captions never end"),
        ({"distinct": 0.2}, "the samples of an image are all the same"),
        ({"reward": 60.0}, "the reward exploded"),
        ({"entropy": 4.0}, "the policy forgets its words"),
    ],
)
def test_each_collapse_is_named(row: dict[str, float], what: str) -> None:
    assert stops(log_of(row, row, row)) == [what]
    assert stops(log_of(row, row, {}, row, row)) == []  # never three in a row


@pytest.mark.parametrize(
    ("start", "row", "what"),
    [
        ({"opening": 0.3}, {"opening": 0.52}, "most captions begin alike"),
        ({"opening": 0.1}, {"opening": 0.37}, "more and more captions begin alike"),
        ({"different": 0.9}, {"different": 0.44}, "captions repeat each other"),
        ({"opening": 0.3}, {"opening": 0.49}, None),
        ({"different": 0.9}, {"different": 0.46}, None),
    ],
)
def test_greedy_captions_that_grow_alike_are_a_warning(
    start: dict[str, float], row: dict[str, float], what: str | None
) -> None:
    first, *later = log_of(row, row, row)
    found = first_findings([{**first, **start}, *later], rules(SCST))
    assert [f.rule.what for f in found] == [what] * (what is not None)
    assert not any(f.rule.stop for f in found)


def test_text_says_value_step_bound_and_start() -> None:
    cut = {"length": 4.0}
    (finding, *_) = findings(log_of(cut, cut, cut), rules(SCST))
    assert str(finding) == (
        "captions are cut short: length is 4 at step 80, below 5.7 (at the start 9.5)"
    )


@pytest.mark.parametrize(("start", "spread", "stopping"), [(0.02, 0.1, -0.03), (1.4, 0.6, 0.7)])
def test_lost_reward_is_more_than_noise_around_zero(
    start: float, spread: float, stopping: float
) -> None:
    first = {**START, "reward": start, "reward_std": spread}
    for reward, stopped in ((stopping + 1e-6, False), (stopping - 1e-6, True)):
        log = [first, *({**first, "step": 40.0, "reward": reward} for _ in range(IN_A_ROW))]
        assert stops(log) == (["the reward collapsed"] if stopped else [])


def test_a_reward_that_starts_below_zero_has_no_share_to_lose() -> None:
    first = {**START, "reward": -0.2, "reward_std": 0.1}
    assert stops([first, *({**first, "reward": -0.5} for _ in range(IN_A_ROW))]) == []


def test_a_run_that_starts_beyond_a_bound_is_only_warned_of() -> None:
    """An untrained captioner, as at `smoke`: nothing has collapsed."""
    first = {**START, "unfinished": 1.0}
    log = [first, *({**first, "step": 40.0} for _ in range(IN_A_ROW))]
    (finding,) = first_findings(log, rules(SCST))
    assert finding.rule.what == "some captions never end" and not finding.rule.stop


def test_a_single_sample_cannot_differ_from_others() -> None:
    row = {"distinct": 1.0}
    config = ObjectiveConfig(loss="self_critical", samples=1)
    assert first_findings(log_of(row, row, row), rules(config)) == []


def test_diverging_cross_entropy_stops() -> None:
    def row(step: int, loss: float) -> Row:
        return {"step": step, "loss": loss}

    falling = [row(20 * i, 6.0 / i) for i in range(1, 8)]
    assert first_findings(falling, rules(MLE)) == []
    assert stops([*falling, row(160, 9.5), row(180, 12.0), row(200, 30.0)], MLE)


def test_logs_of_older_runs_lack_columns() -> None:
    old = [{k: v for k, v in row.items() if k in ("step", "loss", "reward")} for row in log_of({})]
    assert first_findings(old * 4, rules(SCST)) == []


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "reward": st.floats(0.69 * 1.9, 3 * 1.9),
                "length": st.floats(0.8 * 9.5, 1.26 * 9.5),
                "entropy": st.floats(0.05, 1.43),
                "distinct": st.floats(0.4, 1.0),
                "bad_endings": st.floats(0.0, 0.1),
                "positive_advantage": st.floats(0.12, 0.8),
                "opening": st.floats(0.0, 0.44),
                "different": st.floats(0.46, 1.0),
            }
        ),
        max_size=8,
    )
)
def test_never_fires_within_the_range_of_healthy_runs(rows: list[dict[str, float]]) -> None:
    assert first_findings(log_of(*rows), rules(SCST)) == []


@given(
    st.lists(st.sampled_from([0.1, 3.0, 5.0, 7.5, 9.0, 14.0]), min_size=1, max_size=9),
    st.sampled_from(["stop", "warn"]),
)
def test_first_findings_are_those_met_on_the_way(lengths: list[float], guards: str) -> None:
    """The page of a run lists what the run said while it trained."""
    log = log_of(*({"length": length} for length in lengths))
    checked = rules(ObjectiveConfig.model_validate({"loss": "self_critical", "guards": guards}))
    met: dict[str, int] = {}
    for end in range(1, len(log) + 1):
        for finding in findings(log[:end], checked):
            met.setdefault(finding.rule.what, finding.step)
    assert {f.rule.what: f.step for f in first_findings(log, checked)} == met
    cut = [length < 0.6 * 9.5 for length in lengths]
    windows = zip(*(cut[i:] for i in range(IN_A_ROW)), strict=False)
    assert ("captions are cut short" in met) == any(map(all, windows))


@given(st.lists(st.floats(), min_size=1, max_size=6), st.lists(st.floats(), min_size=6, max_size=6))
def test_the_first_step_that_is_not_finite_is_found(
    losses: list[float], norms: list[float]
) -> None:
    steps = [{"loss": a, "grad_norm": b} for a, b in zip(losses, norms, strict=False)]
    bad = [i for i, row in enumerate(steps) if not all(map(math.isfinite, row.values()))]
    found = not_finite(steps)
    assert (found[0] if found else None) == (bad[0] if bad else None)
    scaled = not_finite(steps, loss_scaling=True)
    assert (scaled is None) == all(map(math.isfinite, losses))


@pytest.mark.parametrize(
    ("rewards", "named"),
    [
        ({"reward/cider": 1.0, "reward/mine": math.nan, "reward": math.nan}, "reward/mine"),
        ({"reward/mine": 1.0, "reward": 1.0, "reward_greedy": math.inf}, "reward_greedy"),
        ({"reward/mine": 1.0, "reward": 1.0, "reward_greedy": 1.0}, "loss"),
        ({}, "loss"),
    ],
)
def test_a_reward_that_is_not_finite_is_named(rewards: dict[str, float], named: str) -> None:
    good = {"loss": 1.0, "grad_norm": 1.0, **dict.fromkeys(rewards, 0.5)}
    assert not_finite([good, {"loss": math.nan, "grad_norm": 1.0, **rewards}]) == (1, named)
    assert not_finite([good]) is None
