"""The preregistered question: every verdict can come out, and nothing is decided too early."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bookkit.report import preregistered
from bookkit.report.page import signed
from bookkit.report.preregistered import (
    CAPTIONERS,
    METRICS,
    OURS,
    SEEDS,
    START,
    THEIRS,
    anchor,
    answer,
)
from bookkit.report.results import Runs
from gegcore.profiles import load_profile

BOOK = Path(__file__).resolve().parents[3] / "book"
IMAGES, COSTS = 60, (2.0, 4.0, 8.0, 16.0)
"""What each weight costs of 100 CIDEr: 95 % lies between the second and the third."""


def runs(
    monkeypatch: pytest.MonkeyPatch,
    ahead: dict[str, float],
    costs: tuple[float, ...] = COSTS,
    spread: float = 0.2,
) -> Runs:
    """Each weight of either reward gains its cost in R@1, and ours by metric so much more."""
    noise, rows = np.random.default_rng(0).normal(size=IMAGES), {}
    names = {of: [f"{of}, {cost:g}" for cost in costs] for of in (OURS, THEIRS)}
    for model in CAPTIONERS:
        for seed in SEEDS:
            at = {"model": model, "seed": seed, "image_id": np.arange(IMAGES)}
            at["family"] = at["image_id"] // 5
            steps = {(START, START): 0.0}
            steps |= {(of, n): c for of in names for n, c in zip(names[of], costs, strict=True)}
            for (of, name), cost in steps.items():
                extra = {m: (ahead[m] + spread * (seed - 2)) * (of == OURS) for m in METRICS}
                values = {m: 20 + cost + extra[m] + noise for m in METRICS}
                table = pd.DataFrame(
                    {**at, **values, "CIDEr": 100 - cost + noise, "objective": name}
                )
                rows[of, name, model, seed] = table

    def frontier(self: Runs, objective: str) -> tuple[pd.DataFrame, list[str]]:
        found = [table for (of, *_), table in rows.items() if of in {objective, START}]
        return pd.concat(found), names[objective]

    monkeypatch.setattr(Runs, "frontier", frontier)
    return Runs(load_profile("rivals"), {}, True, ())


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        ((3.0, 3.0), "better"),
        ((-3.0, -3.0), "worse"),
        ((3.0, 0.0), "undecided"),  # by one judge alone
        ((3.0, -3.0), "undecided"),
    ],
)
def test_the_rule(
    monkeypatch: pytest.MonkeyPatch, ahead: tuple[float, float], verdict: str
) -> None:
    found = answer(runs(monkeypatch, dict(zip(METRICS, ahead, strict=True))), 500)
    assert found.verdict == verdict
    for metric, gain in zip(METRICS, ahead, strict=True):
        assert found.means[metric].value == pytest.approx(gain)
        assert found.means[metric].low < gain < found.means[metric].high
        assert set(found.found[metric]) == set(CAPTIONERS)
    assert list(found.table) == list(METRICS) and list(found.table.index) == [*CAPTIONERS, "mean"]
    assert found.table.loc["mean", METRICS[0]].startswith(f"{signed(METRICS[0], ahead[0])} [")


def test_seeds_that_differ_more_than_the_gain_decide_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert answer(runs(monkeypatch, dict.fromkeys(METRICS, 1.0), spread=3.0), 500).verdict == (
        "undecided"
    )


def test_a_frontier_that_ends_too_early_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    short = runs(monkeypatch, dict.fromkeys(METRICS, 3.0), (1.0, 2.0, 3.0, 4.0))
    found = answer(short, 500)
    assert found.verdict == "undecided" and "does not reach 95 % of CIDEr" in found.reason


def test_until_all_runs_are_there_the_question_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    few = runs(monkeypatch, dict.fromkeys(METRICS, 3.0), (4.0, 8.0, 16.0))
    found = answer(few, 500)
    assert found.verdict == "open" and f"1 weight of {OURS}, 1 weight of {THEIRS}" in found.reason
    # A weight that one captioner lacks with one seed does not count.
    whole, frontier = runs(monkeypatch, dict.fromkeys(METRICS, 3.0)), Runs.frontier

    def without(self: Runs, objective: str) -> tuple[pd.DataFrame, list[str]]:
        scores, names = frontier(self, objective)
        gone = scores["objective"].str.startswith(f"{OURS}, 2") & (scores["model"] == "xlan")
        return scores[~(gone & (scores["seed"] == 3))], names

    monkeypatch.setattr(Runs, "frontier", without)
    assert f"1 weight of {OURS}" in answer(whole, 500).reason


class Told:
    """A finished run, of which only the validation CIDEr-D is known."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def history(self) -> pd.DataFrame:
        return pd.DataFrame({"CIDEr-D": self.values})


@pytest.mark.parametrize(
    ("ours", "alone", "verdict"),
    [(51.0, 49.0, "yes"), (49.0, 10.0, "no"), (90.0, 51.0, "no"), (None, 10.0, "open")],
)
def test_whether_the_anchor_holds_the_language(
    ours: float | None, alone: float, verdict: str
) -> None:
    folders = {
        (model, name, seed): Told(100.0, 5.0, last)
        for model in CAPTIONERS
        for seed in SEEDS
        for name, last in (("ours_sole", 80.0), ("scst_geg_sole", 20.0))
    }
    folders["updown", "scst_geg_sole", 2] = Told(200.0, 300.0, 2 * alone)
    del folders["updown", "ours_sole", 2]
    if ours is not None:
        folders["updown", "ours_sole", 2] = Told(200.0, 5.0, 2 * ours)
    found, shares = anchor(Runs(load_profile("rivals"), folders, True, ()))  # type: ignore[arg-type]
    assert found == verdict
    assert shares.loc[("updown", 2), "scst_geg_sole"] == pytest.approx(alone / 100)
    assert shares.loc[("xlan", 1), "ours_sole"] == pytest.approx(0.8)


def test_the_numbers_are_those_of_the_page() -> None:
    page = (BOOK / "preregistration.md").read_text(encoding="utf-8")
    labels = [load_profile("rivals").objective(START).label, "Transformer, Up-Down, X-LAN"]
    said = [*labels, f"At {100 * preregistered.SHARE:.0f} % of the CIDEr of +SCST++"]
    said += ["above half of that of +SCST", "in every seed of every captioner"]
    said += ["seeds 1, 2, 3", "four values of $\\beta$ or more", "SigLIP", "{term}`listener`"]
    assert not [words for words in said if words not in " ".join(page.split())]
