"""The bootstrap resamples what it says, and its intervals mean what they say."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from metric_captions import HYPOTHESES, REFERENCES
from pycocoevalcap.bleu.bleu_scorer import BleuScorer

from gegcore.errors import ConfigError, DataError
from gegcore.metrics import uncertainty
from gegcore.metrics.bleu import bleu_score, bleu_statistics
from gegcore.metrics.uncertainty import Statistic, bootstrap, paired_difference

SAID = list(HYPOTHESES.values())
TRUTH = list(REFERENCES.values())


def _upstream_bleu(rows: list[int]) -> list[float]:
    scorer = BleuScorer(n=4)
    for row in rows:
        scorer += (SAID[row], TRUTH[row])
    return scorer.compute_score(option="closest")[0]


def test_counts_of_one_give_the_corpus_value() -> None:
    parts = bleu_statistics(SAID, TRUTH)
    expected = _upstream_bleu(list(range(len(SAID))))
    for n in range(1, 5):
        statistic = Statistic(parts, partial(bleu_score, order=n))
        ones = statistic.finish(np.ones((1, len(SAID))) @ parts)[0]
        assert ones == statistic.value() == pytest.approx(expected[n - 1], abs=1e-14)


def test_resampled_bleu_equals_scoring_the_resampled_captions() -> None:
    parts = bleu_statistics(SAID, TRUTH)
    counts = next(iter(uncertainty._counts(len(SAID), seed=3, resamples=5)))
    for row in counts:
        captions = np.repeat(np.arange(len(SAID)), row.astype(int)).tolist()
        for n, expected in enumerate(_upstream_bleu(captions), start=1):
            assert bleu_score(row @ parts, n) == pytest.approx(expected, abs=1e-14)


def test_every_resample_draws_as_many_images_as_there_are() -> None:
    blocks = list(uncertainty._counts(50, seed=0, resamples=300))
    counts = np.concatenate(blocks)
    assert counts.shape == (300, 50)
    assert (counts.sum(axis=1) == 50).all()
    # Each image is drawn once on average, with the variance of a binomial.
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.3)
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_draws_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(uncertainty._counts(7, seed=5, resamples=20)))
    monkeypatch.setattr(uncertainty, "_BLOCK_ELEMENTS", 21)
    blocks = list(uncertainty._counts(7, seed=5, resamples=20))
    assert len(blocks) == 7
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_interval_of_a_mean_is_that_of_the_normal_theory() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=800)
    found = bootstrap({"x": Statistic.mean(values)}, seed=1, resamples=4000)["x"]
    half = 1.96 * values.std() / np.sqrt(800)
    assert found.value == pytest.approx(values.mean())
    assert found.n == 800
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_intervals_cover_the_truth() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for seed in range(200):
        hits = generator.random(300) < 0.3  # R@1 = 30 %
        found = bootstrap({"R@1": Statistic.mean(hits)}, seed, resamples=300)["R@1"]
        covered += found.low <= 0.3 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_seed_decides() -> None:
    statistic = {"x": Statistic.mean(np.arange(30.0))}
    first, again = bootstrap(statistic, seed=4), bootstrap(statistic, seed=4)
    assert first == again != bootstrap(statistic, seed=5)


def test_an_interval_does_not_depend_on_the_other_metrics() -> None:
    rng = np.random.default_rng(2)
    statistics = {name: Statistic.mean(rng.random(40)) for name in "xyz"}
    statistics["BLEU"] = Statistic(rng.integers(1, 9, (40, 10)) * 1.0, partial(bleu_score, order=4))
    found = bootstrap(statistics, seed=6, resamples=300)
    for name, statistic in statistics.items():
        alone = bootstrap({name: statistic}, seed=6, resamples=300)[name]
        # Matrix products of other widths may round the last bit otherwise, on some processors.
        assert alone == pytest.approx(found[name], rel=1e-12)


def test_scaled_statistic() -> None:
    parts = bleu_statistics(SAID, TRUTH)
    raw = Statistic(parts, partial(bleu_score, order=2))
    found = bootstrap({"raw": raw, "percent": raw.scaled(100)}, resamples=50)
    assert found["percent"].low == pytest.approx(100 * found["raw"].low)
    assert found["percent"].value == pytest.approx(100 * found["raw"].value)


def test_paired_difference_sees_what_unpaired_intervals_hide() -> None:
    generator = np.random.default_rng(0)
    b = generator.normal(0, 10, size=400)
    a = b + generator.normal(0.3, 1, size=400)
    found = paired_difference(a, b, seed=0)
    assert found.value == pytest.approx((a - b).mean())
    assert found.low > 0 and found.p_value < 0.01 and found.n == 400
    single = bootstrap({"a": Statistic.mean(a), "b": Statistic.mean(b)})
    assert single["a"].low < single["b"].high  # The intervals overlap all the same.


def test_paired_difference_is_antisymmetric() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.random(60), generator.random(60)
    there, back = paired_difference(a, b, seed=2), paired_difference(b, a, seed=2)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.p_value < 0.05) == (not there.low <= 0 <= there.high)


def test_equal_metrics_do_not_differ() -> None:
    values = np.random.default_rng(1).random(60)
    assert paired_difference(values, values).p_value == 1.0


def test_p_values_of_no_difference_are_uniform() -> None:
    generator = np.random.default_rng(3)
    p_values = [
        paired_difference(*generator.normal(size=(2, 100)), seed=i, resamples=400).p_value
        for i in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.10
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


def test_wrong_input() -> None:
    with pytest.raises(DataError, match=r"\[2, 3\] images"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"\[0\] images"):
        paired_difference([], [])
    with pytest.raises(ConfigError, match="resamples 0 is not positive"):
        bootstrap({"x": Statistic.mean([1.0])}, resamples=0)
    with pytest.raises(ConfigError, match="resamples 1000000000000 is too large"):
        bootstrap({"x": Statistic.mean([1.0])}, resamples=10**12)
    with pytest.raises(ConfigError, match="seed -1 is negative"):
        bootstrap({"x": Statistic.mean([1.0])}, seed=-1)
