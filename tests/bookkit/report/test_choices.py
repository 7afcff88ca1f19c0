"""The rules by which settings are chosen, and that the profiles follow from the stored sweeps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bookkit.report import choices
from bookkit.report.sampled_facts import read_tried
from bookkit.report.stored import STORED
from bookkit.report.sweeps import Sweep, read_sweeps
from gegcore.errors import DataError
from gegcore.profiles import load_profile
from gegcore.storage import read_json, write_json

RL = ["scst", "scst_pp", "scst_geg", "mle_geg", "scst_er", "scst_geg_min", "scst_geg_sole"]


def made(rows: list[tuple[str, object, float, float, float]], start: float = 0.8) -> Sweep:
    """Rows of (model, value, CIDEr-D, opening, different) after the last epoch."""
    names = ["model", "value", "CIDEr-D", "opening", "different"]
    end = pd.DataFrame(rows, columns=names).assign(epoch=4, seed=11)
    before = end.assign(epoch=0, different=start)
    return Sweep(pd.concat([before, end], ignore_index=True), pd.DataFrame(), {})


def both(gains: tuple[float, float], varied: tuple[float, float]) -> Sweep:
    rows = [(m, "greedy", 100.0, 0.1, 0.7) for m in ("a", "b")]
    others = zip(("a", "b"), gains, varied, strict=True)
    return made([*rows, *((m, "mean_of_others", 100 + g, 0.1, v) for m, g, v in others)])


def test_the_greedy_baseline_stays_unless_all_gain_and_none_is_less_varied() -> None:
    assert choices.baseline_by_rule(both((3, 2.1), (0.7, 0.8))) == "mean_of_others"
    assert choices.baseline_by_rule(both((9, 1.9), (0.7, 0.8))) == "greedy"
    assert choices.baseline_by_rule(both((9, 9), (0.7, 0.69))) == "greedy"


def test_the_best_rate_without_collapse_is_taken() -> None:
    rows = [
        *(("a", 1e-4, 100.0, 0.1, 0.7), ("b", 1e-4, 100.0, 0.1, 0.7)),
        *(("a", 2e-4, 130.0, 0.1, 0.5), ("b", 2e-4, 90.0, 0.5, 0.4)),
        *(("a", 4e-4, 200.0, 0.6, 0.7), ("b", 4e-4, 200.0, 0.1, 0.7)),
        *(("a", 8e-4, 200.0, 0.1, 0.39), ("b", 8e-4, 200.0, 0.1, 0.7)),
    ]
    assert choices.rate_by_rule(made(rows)) == 2e-4
    with pytest.raises(ValueError, match="every"):
        choices.rate_by_rule(made([row for row in rows if row[1] >= 4e-4]))


def test_a_kind_of_captioner_takes_the_rate_that_tells_most_apart_and_keeps_the_language() -> None:
    values = (1e-4, 3e-4)
    ends = {"transformer": (99.0, 90.0), "updown": (99.0, 91.0), "xlan": (99.0, 99.0)}
    gap = made(
        [(m, v, c, 0.1, 0.7) for m, cs in ends.items() for v, c in zip(values, cs, strict=True)]
    )
    gap.validation["R@1"] = gap.validation["value"].map({1e-4: 40.0, 3e-4: 45.0})
    gap.validation.loc[gap.validation["model"] == "xlan", "R@1"] = 41.0, 39.0, 41.0, 39.0
    plain = made([(m, v, 100.0, 0.1, 0.7) for m in ends for v in values])
    found = choices.later_rates_by_rule(gap, plain)
    assert {found[m] for m in ("transformer", "meshed_memory", "xlan")} == {1e-4}
    assert {found[m] for m in ("updown", "attention", "lstm_a3", "gcn_lstm")} == {3e-4}
    better = made([(m, v, 120.0, 0.1, 0.7) for m in ends for v in values])
    with pytest.raises(ValueError, match="transformer, updown, xlan"):
        choices.later_rates_by_rule(gap, better)


def test_the_largest_weight_that_keeps_the_language_is_taken() -> None:
    plain = made([("a", 4, 100.0, 0.1, 0.7), ("b", 4, 200.0, 0.1, 0.7)])
    rows = [
        *(("a", 0.5, 99.0, 0.1, 0.7), ("b", 0.5, 199.0, 0.1, 0.7)),
        *(("a", 1.0, 91.0, 0.1, 0.7), ("b", 1.0, 181.0, 0.1, 0.7)),
        *(("a", 2.0, 95.0, 0.1, 0.7), ("b", 2.0, 180.0, 0.1, 0.7)),
    ]
    assert choices.weight_by_rule(made(rows), plain) == 1.0
    failed = [row for row in rows if row[:2] != ("a", 2.0)]  # not tried with all: one fails it
    assert choices.weight_by_rule(made(failed), plain) == 1.0
    assert choices.kept(made(failed), plain).isna().sum().sum() == 1
    with pytest.raises(ValueError):
        choices.weight_by_rule(made(rows[-2:]), plain)


def test_the_fewest_epochs_that_get_details_right_are_taken() -> None:
    def facts(*rows: tuple[int, str, str, float]) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=["value", "model", "kind", "true"])

    few = [(6, m, k, 60.0) for m in "ab" for k in ("colour", "number")]
    more = [(15, m, k, 80.0) for m in "ab" for k in ("colour", "number")]
    assert choices.epochs_by_rule(facts(*few, *more, (6, "a", "mood", 1.0))) == 6
    few[1] = (6, "a", "number", 49.0)
    assert choices.epochs_by_rule(facts(*few, *more)) == 15
    with pytest.raises(ValueError, match="no number"):
        choices.epochs_by_rule(facts(*few))


STANDARD = load_profile("standard")
SWEEPS = sorted((STORED / "sweeps").glob("*.json"))


def stored(objective: str, field: str) -> Sweep:
    return read_sweeps(STANDARD)[objective, field]


def test_mle_takes_as_many_epochs_as_the_rule_says() -> None:
    try:
        facts = read_tried(STANDARD)[1]
    except DataError:
        pytest.skip("which facts of sampled captions are true is not stored yet")
    assert STANDARD.objective("mle").epochs == choices.epochs_by_rule(facts)


@pytest.mark.parametrize("objective", RL)
def test_the_profile_has_what_the_rules_say(objective: str) -> None:
    config = STANDARD.objective(objective)
    assert config.baseline == choices.baseline_by_rule(stored("scst", "baseline"))
    first = choices.rate_by_rule(stored("scst", "learning_rate"))
    gap, plain = (stored(name, "learning_rate") for name in ("scst_geg", "scst_pp"))
    for model, later in choices.later_rates_by_rule(gap, plain).items():
        rate = STANDARD.objective(objective, model).learning_rate
        assert rate == (first if objective == "scst" else later), model


def test_all_rewards_of_the_profile_have_the_weight_that_the_rule_says() -> None:
    sweeps = stored("scst_geg", "rewards.geg_avg")
    chosen = choices.weight_by_rule(sweeps, stored("scst_pp", "epochs"))
    for name in ("scst_geg", "mle_geg", "scst_er", "scst_geg_min", "scst_geg_sole"):
        weights = {k: w for k, w in STANDARD.objective(name).rewards.items() if k != "cider"}
        assert list(weights.values()) == [chosen], name


@pytest.mark.parametrize(
    ("objective", "field"),
    [
        *(("scst", "baseline"), ("scst_geg", "rewards.geg_avg")),
        *((name, "learning_rate") for name in ("scst", "scst_pp", "scst_geg")),
    ],
)
def test_validation_decides_by_seeds_that_no_table_reports(objective: str, field: str) -> None:
    rows = stored(objective, field).validation
    assert not set(rows["seed"]) & set(STANDARD.experiments.seeds)
    assert set(rows["model"]) == set(STANDARD.experiments.ablations.models)


@pytest.mark.parametrize("profile", sorted({p.name.split("-")[0] for p in SWEEPS}))
def test_every_stored_sweep_can_be_read(profile: str) -> None:
    stored = [p for p in SWEEPS if p.name.startswith(f"{profile}-") and "field" in read_json(p)]
    found = read_sweeps(load_profile(profile))
    assert len(found) == len(stored) and all(len(sweep.last) for sweep in found.values())


def test_a_sweep_of_another_form_is_named(tmp_path: Path) -> None:
    about = {"profile": "standard", "objective": "scst", "field": "baseline"}
    path = tmp_path / "sweeps" / "standard-scst-baseline.json"
    write_json(path, {**about, "entries": [{"value": "greedy", "history": []}]})
    with pytest.raises(DataError, match="standard-scst-baseline.json is no sweep"):
        read_sweeps(STANDARD, tmp_path)
