"""Power: formulas against studies that are drawn, and shares that are found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bookkit.study.power import Shares, difference_error, fewest, recall_error, shares

OF = Shares(participant=0.15, picture=0.2, caption=0.15)


def draw(people: int, pictures: int, seed: int) -> pd.DataFrame:
    """Answers of unit variance; everybody is asked for every picture, by one of two systems."""
    generator = np.random.default_rng(seed)
    who, what = np.divmod(np.arange(people * pictures), pictures)
    system = (who + what) % 2
    parts = [
        np.sqrt(OF.participant) * generator.normal(size=people)[who],
        np.sqrt(OF.picture) * generator.normal(size=pictures)[what],
        np.sqrt(OF.caption) * generator.normal(size=2 * pictures)[2 * what + system],
        np.sqrt(OF.rest) * generator.normal(size=len(who)),
    ]
    rows = {"participant": who, "item": what, "trial": 2 * what + system, "system": system}
    return pd.DataFrame({**rows, "R@1": np.sum(parts, axis=0)})


def test_errors_are_those_of_studies_that_are_drawn() -> None:
    people, pictures, means = 20, 12, []
    for seed in range(1500):
        means.append(draw(people, pictures, seed).groupby("system")["R@1"].mean().to_numpy())
    first, second = np.array(means).T
    unit = 50.0  # of a recall of 50 %: one answer varies by so much
    expected = recall_error(50, people, pictures, pictures / 2, OF) / unit
    assert first.std() == pytest.approx(expected, rel=0.08)
    expected = difference_error(50, people, pictures, pictures / 2, OF) / unit
    assert (first - second).std() == pytest.approx(expected, rel=0.08)


def test_shares_are_found_again() -> None:
    found = np.mean([shares(draw(40, 40, seed), "R@1") for seed in range(40)], axis=0)
    assert found == pytest.approx(OF, abs=0.03)


def test_shares_that_nothing_tells_are_unknown() -> None:
    alone = pd.DataFrame({"participant": [1, 2], "item": [1, 2], "trial": [1, 2], "system": "a"})
    assert np.isnan(shares(alone.assign(**{"R@1": [0.0, 100.0]}), "R@1")).all()


def test_the_fewest_that_are_enough() -> None:
    error = lambda people: recall_error(30, people, 500, 10, OF)  # noqa: E731
    found = fewest(error, 2.0)
    assert found is not None and error(found) <= 2.0 < error(found - 1)
    # Pictures alone leave more than that, whoever answers.
    assert fewest(lambda people: recall_error(30, people, 20, 10, OF), 2.0) is None
    assert fewest(lambda people: 0.0, 1.0) == 1
