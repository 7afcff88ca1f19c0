"""Permutation tests: exact where all swaps can be listed, uniform where nothing differs."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import pytest
from metric_captions import HYPOTHESES, REFERENCES

from gegcore.errors import ConfigError, DataError
from gegcore.metrics import uncertainty
from gegcore.metrics.bleu import bleu_score, bleu_statistics
from gegcore.metrics.significance import compare, compare_all, permutation_test
from gegcore.metrics.uncertainty import Statistic, paired_difference


def _p(a: Statistic, b: Statistic, seed: int = 0, resamples: int = 4000) -> float:
    return permutation_test({"x": (a, b)}, seed, resamples)["x"]


def _listed(a: Statistic, b: Statistic) -> float:
    """Share of all 2^N swaps after which the metrics differ at least as much."""
    seen, count = abs(a.value() - b.value()), 0
    for coins in product([0.0, 1.0], repeat=len(a.parts)):
        kept = np.array(coins)[:, None]
        first = a.finish((kept * a.parts + (1 - kept) * b.parts).sum(axis=0))
        second = a.finish((kept * b.parts + (1 - kept) * a.parts).sum(axis=0))
        count += abs(first - second) >= seen - 1e-12
    return count / 2 ** len(a.parts)


def test_of_a_mean_it_is_the_share_of_all_swaps() -> None:
    rng = np.random.default_rng(0)
    a, b = Statistic.mean(rng.normal(0.5, 1, 10)), Statistic.mean(rng.normal(size=10))
    assert _p(a, b) == pytest.approx(_listed(a, b), abs=0.02)


def test_of_corpus_bleu_it_is_the_share_of_all_swaps() -> None:
    """BLEU is no mean of captions: the counts are swapped, then summed."""
    truth = list(REFERENCES.values())
    finish = partial(bleu_score, order=2)
    a = Statistic(bleu_statistics(list(HYPOTHESES.values()), truth), finish)
    b = Statistic(bleu_statistics([captions[-1] for captions in truth], truth), finish)
    assert _p(a, b) == pytest.approx(_listed(a, b), abs=0.02)


def test_p_values_of_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(2)
    found = []
    for seed in range(300):
        image = rng.normal(size=40)  # some images are easy for both
        a, b = (Statistic.mean(image + rng.normal(size=40)) for _ in "ab")
        found.append(_p(a, b, seed, 200))
    shares = [np.mean(np.array(found) <= level) for level in (0.1, 0.5, 0.9)]
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.07)


def test_equal_captions_do_not_differ_and_p_is_never_zero() -> None:
    same = Statistic.mean(np.arange(20.0))
    assert _p(same, same) == 1.0
    far = Statistic.mean(np.arange(20.0) + 9)
    assert _p(far, same, resamples=999) == 1 / 1000


def test_compare_tests_every_common_metric_with_the_same_draws() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(size=200)
    a = {"x": Statistic.mean(image + 0.1), "y": Statistic.mean(image), "z": Statistic.mean(image)}
    b = {"y": Statistic.mean(image), "x": Statistic.mean(image + rng.normal(0, 0.2, 200))}
    found = compare(a, b, seed=1, resamples=500)
    assert list(found) == ["x", "y"]
    alone = paired_difference(a["x"], b["x"], seed=1, resamples=500)
    assert found["x"][:3] == pytest.approx(alone[:3])
    assert found["x"].p_value == permutation_test({"x": (a["x"], b["x"])}, 1, 500)["x"] < 0.01
    assert found["y"] == (0.0, 0.0, 0.0, 1.0, 200)


def test_of_several_systems_every_two_are_compared() -> None:
    rng = np.random.default_rng(4)
    counts = [rng.integers(1, 9, size=(30, 10)).astype(float) for _ in range(3)]
    systems = {
        name: {
            **{f"BLEU-{n}": Statistic(parts, partial(bleu_score, order=n)) for n in (1, 2)},
            "length": Statistic.mean(parts[:, 0]),
        }
        for name, parts in zip("abc", counts, strict=True)
    }
    found = compare_all(systems, ["BLEU-2", "length"], seed=1, resamples=300)
    assert {key[1:] for key in found} == {("a", "b"), ("a", "c"), ("b", "c")}
    for (metric, one, two), difference in found.items():
        alone = compare(systems[one], systems[two], seed=1, resamples=300)[metric]
        assert difference == pytest.approx(alone)


def test_swaps_depend_on_neither_the_block_nor_the_other_metrics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(4)
    pairs = {
        name: (Statistic.mean(rng.normal(0.3, 1, 7)), Statistic.mean(rng.normal(size=7)))
        for name in "xyz"
    }
    together = permutation_test(pairs, 5, 200)
    monkeypatch.setattr(uncertainty, "_BLOCK_ELEMENTS", 21)  # three swaps at a time
    assert together == permutation_test(pairs, 5, 200)
    assert together["y"] == permutation_test({"y": pairs["y"]}, 5, 200)["y"]
    assert len(set(together.values())) == 3


def test_what_cannot_be_compared() -> None:
    short, long = Statistic.mean(np.ones(3)), Statistic.mean(np.ones(4))
    with pytest.raises(ConfigError, match="no metric"):
        compare({"x": short}, {"y": short})
    with pytest.raises(DataError, match=r"\[3, 4\]"):
        compare({"x": short}, {"x": long})
    other = Statistic(np.ones((3, 5)), lambda sums: sums[..., 0])
    with pytest.raises(DataError, match="two statistics"):
        _p(short, other)
    with pytest.raises(ConfigError, match="resamples 0 is not positive"):
        _p(short, short, resamples=0)
