"""Diversity, repetition, endings and length; intervals of what is no sum over captions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gegcore.metrics.uncertainty import Statistic, bootstrap
from gegcore.metrics.words import word_scores

SENTENCES = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=9).map(" ".join), min_size=2)


def values(captions: list[str]) -> dict[str, float]:
    return {name: s.value() for name, s in word_scores(captions).statistics.items()}


def test_by_hand() -> None:
    found = values(["a cat on a mat", "a dog with a", ""])
    assert found["vocabulary"] == 6  # a cat on mat dog with
    assert found["distinct-1"] == pytest.approx(100 * 6 / 9)
    # a cat, cat on, on a, a mat; a dog, dog with, with a: all of them different.
    assert found["distinct-2"] == pytest.approx(100)
    assert found["bad endings"] == pytest.approx(100 / 3)
    assert found["length"] == pytest.approx(3)
    assert found["repetition"] == 0


def test_the_paper_s_own_example_of_repetition() -> None:
    said = (
        "a woman eating a white dessert cake with lit candles with lit candles in a restaurant "
        "with lit candles with"
    )
    found = values([said, "a dog in the grass in the park"])
    assert found["repetition"] == found["bad endings"] == 50


@given(SENTENCES)
def test_counts_are_those_of_sets(captions: list[str]) -> None:
    found = values(captions)
    words = [word for caption in captions for word in caption.split()]
    pairs = [p for c in captions for p in zip(c.split(), c.split()[1:], strict=False)]
    assert found["vocabulary"] == pytest.approx(len(set(words)))
    assert found["distinct-1"] == pytest.approx(100 * len(set(words)) / max(len(words), 1))
    assert found["distinct-2"] == pytest.approx(100 * len(set(pairs)) / max(len(pairs), 1))
    assert all(np.isfinite(value) for value in found.values())


@given(SENTENCES, st.randoms())
def test_order_does_not_matter(captions: list[str], random: object) -> None:
    shuffled = list(captions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert values(shuffled) == pytest.approx(values(captions))


@pytest.mark.parametrize("name", ["vocabulary", "distinct-1"])
def test_intervals_are_as_wide_as_new_samples_scatter(name: str) -> None:
    """A plain bootstrap would centre on too few words, as every resample repeats captions."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(1, 2001)
    chance /= chance.sum()

    def corpus() -> list[str]:
        return [" ".join(map(str, row)) for row in rng.choice(2000, size=(300, 8), p=chance)]

    samples = [word_scores(corpus()).statistics[name] for _ in range(60)]
    scatter = np.std([statistic.value() for statistic in samples], ddof=1)
    found = [bootstrap({name: statistic})[name] for statistic in samples[:10]]
    widths = [(interval.high - interval.low) / (2 * 1.96) for interval in found]
    assert np.mean(widths) == pytest.approx(scatter, rel=0.35)
    assert all(interval.low < interval.value < interval.high for interval in found)


def test_the_jackknife_of_a_mean_is_the_mean() -> None:
    x = np.random.default_rng(0).normal(size=50)
    left_out = (x.sum() - x) / 49
    jackknife = Statistic.jackknife(x.mean(), left_out)
    np.testing.assert_allclose(jackknife.parts[:, 0], x, atol=1e-12)
