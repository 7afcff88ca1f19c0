"""Tables 4 and 5: values by hand, intervals that hold the truth, agreement as published."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from two_captioners import PLAIN, RICH

from bookkit.study.answers import Answers, preferences, rankings
from bookkit.study.design import Study
from bookkit.study.tables import alpha, cells, crossed, near_ceiling, outcomes, recalls

KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Data of four observers in Krippendorff (2011), Sec. C and D."""


def units(text: str) -> list[list[int]]:
    rows = [line.split() for line in text.split("\n") if line]
    return [[int(x) for x in column if x != "."] for column in zip(*rows, strict=True)]


def test_alpha_as_published() -> None:
    assert alpha(units(KRIPPENDORFF)) == pytest.approx(0.743, abs=5e-4)
    assert alpha(units(KRIPPENDORFF), "ordinal") == pytest.approx(0.815, abs=5e-4)
    # Sec. A: two observers, two values.
    binary = [[0, 1], [1, 1], [0, 1], [0, 0], [0, 0], [0, 0], [0, 0], [0, 1], [1, 0], [0, 0]]
    assert alpha(binary) == pytest.approx(0.095, abs=5e-4)
    assert alpha(binary, "ordinal") == pytest.approx(0.095, abs=5e-4)


def test_alpha_of_perfect_and_of_no_agreement() -> None:
    assert alpha([["a", "a"], ["b", "b", "b"], ["c"]]) == 1.0
    assert alpha([["a", "b"], ["b", "a"]]) < 0
    for nothing in ([], [["a"], ["b"]], [["a", "a"], ["a", "a"]]):
        assert math.isnan(alpha(nothing))


def test_listeners_find_more_with_more_words(listeners: list[Answers], study: Study) -> None:
    rows = rankings(listeners, study)
    found = recalls(rows, study.systems).set_index(["row", "metric"])
    for name in (PLAIN, RICH):
        for metric in ("R@1", "R@5", "R@10"):
            mean = rows.loc[rows["system"] == name, metric].mean()
            assert found.loc[(name, metric), "value"] == pytest.approx(mean)
    over = found.loc[f"{RICH} minus {PLAIN}"]
    sides = found.loc[RICH, "value"] - found.loc[PLAIN, "value"]
    assert over["value"].to_dict() == pytest.approx(sides.to_dict())
    assert over.loc["R@1", "value"] > 0
    assert found.loc[PLAIN, "n"].tolist() == [24] * 3 and over["n"].tolist() == [48] * 3
    assert (found["low"] <= found["value"]).all() and (found["value"] <= found["high"]).all()
    shown = cells(found.reset_index())
    assert shown.loc[f"{RICH} minus {PLAIN}", "R@1"].startswith("+")
    assert shown.index.tolist() == [PLAIN, RICH, f"{RICH} minus {PLAIN}"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [44.0, 93.0, 99.0],
            "every system reaches 90 % in R@5 and R@10, so that only R@1 can separate them.",
        ),
        ([44.0, 80.0, 89.0], "in no R@K does every system reach 90 %."),
        ([90.0, 93.0, 99.0], "so that no R@K can separate them."),
    ],
)
def test_recalls_near_100_cannot_separate_systems(values: list[float], said: str) -> None:
    metrics = dict(zip(("R@1", "R@5", "R@10"), values, strict=True))
    rows = [
        {"row": row, "metric": metric, "value": 0.5 if " minus " in row else value + (row == RICH)}
        for row in (PLAIN, RICH, f"{RICH} minus {PLAIN}")
        for metric, value in metrics.items()
    ]
    assert said in near_ceiling(pd.DataFrame(rows))


def test_outcomes_are_per_cent_of_answers(listeners: list[Answers], study: Study) -> None:
    rows = preferences(listeners, study)
    table = outcomes(rows).pivot(index="row", columns="metric", values="value")
    assert table.sum(axis=1).tolist() == pytest.approx([100, 100])
    for criterion, part in rows.groupby("criterion"):
        share = 100 * (part["outcome"] == 1).mean()
        assert table.loc[f"{RICH}: {criterion}", "win"] == pytest.approx(share)
    assert table.loc[f"{RICH}: distinctiveness", "win"] > 50
    assert outcomes(rows[:0]).empty


def test_few_answers_have_no_interval(listeners: list[Answers], study: Study) -> None:
    one = recalls(rankings(listeners[:1], study), study.systems)
    assert one["low"].isna().all() and one["value"].notna().all()
    assert "\N{EN DASH}" in cells(one).iloc[0, 0]


def test_intervals_hold_the_truth_of_other_people_and_pictures() -> None:
    """Of answers that depend on who answers and on what: over answers alone, half would miss."""
    held, alone = [], []
    for seed in range(120):
        generator = np.random.default_rng(seed)
        people, items = np.divmod(np.arange(25 * 25), 25)
        effects = generator.normal(0, 1, (2, 25))
        values = 3.0 + effects[0][people] + effects[1][items] + generator.normal(0, 1, 625)
        rows = pd.DataFrame({"participant": people, "item": items})
        found = crossed(rows, lambda w, v=values: (w @ v) / w.sum(axis=1), seed)  # type: ignore[misc]
        held.append(found.low <= 3.0 <= found.high)
        alone.append(abs(values.mean() - 3.0) <= 1.96 * values.std() / 25)
    assert np.mean(held) >= 0.88
    assert np.mean(alone) < 0.7
