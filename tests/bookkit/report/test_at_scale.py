"""The paper's tables beside runs on photographs, of which there may be some, all or none."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bookkit.report import at_scale
from bookkit.report.at_scale import OURS, beside_paper, filled, forecast
from bookkit.report.calibration import red_flag
from bookkit.report.paper import paper_table
from gegcore.profiles import load_profile

COCO = load_profile("coco")


class SomeRuns:
    """+SCST of X-LAN with two seeds."""

    def __init__(self) -> None:
        about = {"model": "xlan", "objective": "scst", "label": "+SCST", "low": 0.0, "high": 0.0}
        values = {("CIDEr", 1): 120.0, ("CIDEr", 2): 121.0, ("R@1", 1): 20.0, ("R@1", 2): 22.0}
        self.metrics = pd.DataFrame(
            {**about, "metric": metric, "seed": seed, "value": value, "n": 5000}
            for (metric, seed), value in values.items()
        )


def test_without_runs_every_row_says_what_to_type() -> None:
    """The profile of the paper has none stored; no cell is blank, and no number invented."""
    for number, columns in ((2, ["CIDEr", "R@1"]), (3, ["R@10"])):
        table = beside_paper(number, COCO, columns)
        rows = [row for row in paper_table(number).index if not row.endswith("-Cap")]
        assert set(table.index) == set(rows)
        assert table[columns].equals(paper_table(number).loc[table.index, columns])
        assert table[OURS].str.startswith("not run: gegcore run --profile coco --model ").all()
        assert filled(table) == f"Rows with runs of ours: 0 of {len(rows)}."
    wanted = "not run: gegcore run --profile coco --model xlan --objective scst_geg_sole"
    assert beside_paper(3, COCO, ["R@1"]).loc["X-LAN+SCST+GEG-sole", OURS] == wanted


def test_runs_that_are_there_take_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_scale, "runs_on", lambda profile: SomeRuns())
    table = beside_paper(2, COCO, ["CIDEr", "R@1", "GEG-Avg"])
    ours = table[OURS]
    assert filled(table) == f"Rows with runs of ours: 1 of {len(table)}."
    assert ours["X-LAN+SCST"] == "CIDEr 120.5, R@1 21.0"
    assert ours["X-LAN"].startswith("not run") and ours["X-LAN+SCST+GEG"].startswith("not run")


def test_a_forecast_is_a_row_a_captioner_and_stage() -> None:
    step = {"images per step": 32, "seconds per step": 1.5, "images per second": 21, "peak GB": 3.0}
    report: dict[str, Any] = {
        "measured": {"xlan": {"mle": step, "scst_geg": step}},
        "hours": {"runs": {"Table 2": {"xlan mle": 7.5}, "Table 3": {"xlan scst_er": 1.0}}},
    }
    table = forecast(report)
    assert table.loc[("X-LAN", "MLE"), "hours"] == 7.5
    assert pd.isna(table.loc[("X-LAN", "+SCST+GEG"), "hours"])
    assert table["peak GB of the process so far"].eq(3.0).all()
    assert forecast({**report, "setting": {"device": "NVIDIA H100"}})["peak GB"].eq(3.0).all()


class Run:
    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def calibration(self) -> dict[str, Any]:
        return self.found


def test_the_flag_is_red_unless_every_run_has_passed() -> None:
    values = {"R@1": 30.44}
    passed: Any = Run({"published": values, "measured": values, "n": 25_000, "passed": True})
    wrong = {"published": values, "measured": {"R@1": 24.0}, "n": 25_000, "passed": False}
    failed: Any = Run(wrong)
    assert red_flag(COCO, [passed, passed]) == ""
    assert "R@1 24.00 (published 30.44) of 25,000" in red_flag(COCO, [passed, failed])
    assert "was not made" in red_flag(COCO, [passed, Run({})])  # type: ignore[list-item]
    assert red_flag(load_profile("quick"), [Run({})]) == ""  # type: ignore[list-item]
