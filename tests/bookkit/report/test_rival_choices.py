"""The rules for settings of the rivals, and that `config/rivals.yaml` follows the stored sweeps."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from bookkit.report import rival_choices
from bookkit.report.rival_choices import CHOICES, Choice, table
from bookkit.report.sweeps import Sweep, read_sweeps
from bookkit.sweep import main
from gegcore.profiles import load_profile

BOOK = Path(__file__).resolve().parents[3] / "book"
RIVALS = load_profile("rivals")


def made(*rows: tuple[float, float, float], model: str = "transformer") -> Sweep:
    """Rows of (value, CIDEr-D, R@1) after the last epoch."""
    end = pd.DataFrame(rows, columns=["value", "CIDEr-D", "R@1"]).assign(model=model, seed=11)
    before = end.assign(epoch=0, **{"CIDEr-D": 100.0, "R@1": 1.0})
    return Sweep(pd.concat([before, end.assign(epoch=1)], ignore_index=True), pd.DataFrame(), {})


def test_the_largest_weight_that_keeps_cider_is_taken_whatever_its_sign() -> None:
    rows = (0, 100.0, 1.0), (-0.1, 99.0, 2.0), (-0.2, 90.1, 1.5), (-0.4, 90.0, 3.0)
    assert rival_choices.largest_that_keeps(made(*rows)) == -0.2
    with pytest.raises(ValueError, match="no weight keeps"):
        rival_choices.largest_that_keeps(made(rows[0], rows[3]))
    with pytest.raises(ValueError, match="weight 0 was not tried"):
        rival_choices.largest_that_keeps(made(*rows[1:]))


def test_the_rate_of_the_most_distinctive_epoch_is_taken() -> None:
    rows = (2e-5, 100.0, 12.0), (5e-5, 10.0, 14.0), (1e-4, 100.0, 13.0)
    assert rival_choices.most_distinctive(made(*rows)) == 5e-5
    sweep = made(*rows)  # what counts is the epoch that is reported
    sweep.validation.loc[0, "R@1"] = 20.0
    assert rival_choices.most_distinctive(sweep) == 2e-5


def test_the_anchor_is_the_most_distinctive_that_keeps_the_language() -> None:
    sweep = made((0, 94.9, 9.0), (0.01, 95.0, 8.0), (0.02, 99.0, 7.0))
    plain = made((4, 100.0, 1.0))
    other = made((4, 500.0, 1.0), model="updown").validation
    plain = Sweep(pd.concat([plain.validation, other]), pd.DataFrame(), {})
    assert rival_choices.anchor_by_rule(sweep, plain) == 0.01
    with pytest.raises(ValueError, match="95 %"):
        rival_choices.anchor_by_rule(sweep, made((4, 110.0, 1.0)))


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.objective)
def test_what_is_tried_was_written_down(choice: Choice) -> None:
    """As sizes, and with seeds of no table; the profile's own value is one of them."""
    written = (BOOK / "preregistration.md").read_text()
    *some, last = (f"{abs(x):g}".replace("e-05", "e-5") for x in choice.values)
    assert {last.replace("0.0001", "1e-4"), *some} - {"0"} <= {
        word.strip(",.;") for word in written.split()
    }
    assert choice.used(RIVALS) in choice.values
    assert not {*choice.seeds} & {*RIVALS.experiments.seeds}


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.objective)
def test_the_profile_has_what_the_rule_says(choice: Choice) -> None:
    sweeps = read_sweeps(RIVALS)
    if (said := choice.says(sweeps)) is None:
        pytest.skip(f"the sweep of {choice.setting} is not stored yet")
    assert choice.used(RIVALS) == said
    tried = sweeps[choice.objective, choice.field].validation
    assert {*tried["value"]} == {*choice.values} and {*tried["seed"]} == {*choice.seeds}
    assert {*tried["model"]} == {choice.model}


def test_a_table_says_which_rule_has_no_sweep_and_which_was_not_followed() -> None:
    choice, other, *_, anchor = CHOICES
    sweeps = {
        (choice.objective, choice.field): made((0, 9.0, 0), (1, 8.9, 0), (3, 8.2, 0)),
        (other.objective, other.field): made((0, 9.0, 0), (-0.1, 8.0, 0)),
        (anchor.objective, anchor.field): made((0, 9.0, 0)),
    }
    rows = table(RIVALS, sweeps)
    assert len(rows) == len(CHOICES)
    assert rows.loc[choice.setting, ["the rule says", "used"]].tolist() == ["3", "1"]
    assert rows.loc[other.setting, "the rule says"].startswith("no weight keeps 90 %")
    assert (rows["the rule says"] == "no sweep stored").sum() == len(CHOICES) - 2
    sweeps["scst_pp", "epochs"] = made((4, 9.0, 0))
    assert table(RIVALS, sweeps).loc[anchor.setting, "the rule says"] == "0"


def test_the_command_of_a_choice_makes_its_sweep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def kept(*given: object) -> dict[str, object]:
        asked.append(given[1:])
        return {"entries": [], "shared": {}}

    monkeypatch.setattr("bookkit.sweep.sweep", kept)
    for choice in CHOICES:
        assert main([*shlex.split(choice.command)[3:], "--to", str(tmp_path)]) == 0
        wanted = [choice.model], choice.objective, choice.field, [*choice.values], [*choice.seeds]
        assert asked.pop() == wanted
    assert len([*tmp_path.rglob("*.json")]) == len(CHOICES)
