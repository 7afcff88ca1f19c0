"""Photographs beside the embedded world: where they disagree is said first, and never guessed."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bookkit.report import both_worlds
from bookkit.report.both_worlds import PAPER, PHOTOGRAPHS, WORLD, disagreement, stages, verdicts
from bookkit.report.evidence import Judged
from bookkit.report.ledger import load_ledger
from bookkit.report.paper import paper_table
from bookkit.report.results import Runs
from gegcore.profiles import load_profile

CLAIMS = [claim.claim.strip() for claim in load_ledger().claims if not claim.untested]


def told(monkeypatch: pytest.MonkeyPatch, found: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """Verdicts on photographs and in the world of claims; of all others undecided."""

    def judge(claim: Any, runs: Any, resamples: int) -> Judged:
        sides = found.get(claim.claim.strip(), ("undecided", "undecided"))
        return Judged(claim, sides[runs is WORLD_RUNS], "")  # type: ignore[arg-type]

    monkeypatch.setattr(both_worlds, "judge", judge)
    return verdicts(PHOTO_RUNS, WORLD_RUNS)


PHOTO_RUNS: list[Any] = ["photographs"]
WORLD_RUNS: list[Any] = ["world"]


def test_what_differs_comes_first_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed, contrary, open_ = CLAIMS[1], CLAIMS[5], CLAIMS[3]
    given = {
        agreed: ("holds", "holds"),
        contrary: ("fails", "holds"),
        open_: ("undecided", "holds"),
        CLAIMS[4]: ("holds", "guaranteed"),
    }
    table = told(monkeypatch, given)
    assert table.index[0] == contrary and table["differ"].sum() == 1
    assert list(table.index[1:]) == [claim for claim in CLAIMS if claim != contrary]
    assert tuple(table.loc[open_, [PHOTOGRAPHS, WORLD]]) == ("undecided", "holds")
    said = disagreement(table)
    assert said.startswith(f"2 of {len(CLAIMS)} claims are decided on both.")
    assert f"disagree on 1: {contrary}." in said
    same = told(monkeypatch, {agreed: ("fails", "fails")})
    assert disagreement(same).endswith("They agree on all.")


def test_without_runs_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {})
    table = verdicts([], WORLD_RUNS)
    assert set(table[PHOTOGRAPHS]) == {"not run"} and not table["differ"].any()
    assert disagreement(table).startswith("No claim is decided on both yet")


def test_rows_of_both_tables_stand_beside_runs() -> None:
    runs = Runs(load_profile("quick"), {}, True, ())
    rows = [
        {"model": "xlan", "label": label, "seed": seed, "metric": metric, "value": value + seed}
        for label in ("MLE", "+SCST+GEG")
        for seed in (1, 3)
        for metric, value in (("CIDEr", 50.0), ("R@1", 10.0))
    ]
    runs.__dict__["metrics"] = pd.DataFrame(rows).assign(low=0.0, high=0.0)
    table = stages({PHOTOGRAPHS: runs, WORLD: None}, ["xlan", "updown"], ["CIDEr", "R@1", "SPICE"])
    assert list(table.columns[:4]) == [
        *((("CIDEr", side)) for side in (PAPER, PHOTOGRAPHS, WORLD)),
        ("R@1", PAPER),
    ]
    assert table.loc[("X-LAN", "MLE"), ("CIDEr", PHOTOGRAPHS)] == 52.0
    assert table[("SPICE", PHOTOGRAPHS)].isna().all() and table[("CIDEr", WORLD)].isna().all()
    for at, row, label in ((2, "X-LAN", "MLE"), (3, "X-LAN+SCST++", "+SCST++")):
        found = paper_table(at).loc[row, "R@1"]
        assert table.loc[("X-LAN", label), ("R@1", PAPER)] == found
    order = [label for model, label in table.index if model == "X-LAN"]
    assert order[:3] == ["MLE", "+SCST", "+SCST++"] and not table.index.duplicated().any()
