"""Intervals over seeds and families: what they cover, what they are made of, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bookkit.report.intervals import (
    Effect,
    by_family,
    difference,
    effects,
    gain_at,
    over_families,
    ratio,
)
from gegcore.errors import DataError

FAMILIES, MEMBERS, TRUTH = 40, 5, 1.0


def table(generator: np.random.Generator, seed: float, family: float, image: float) -> np.ndarray:
    """Sums by family of both sides, three seeds; `seed`, `family`, `image` are deviations."""
    shape = (3, FAMILIES, MEMBERS)
    over = 5 * generator.normal(size=shape[1:]) + np.zeros(shape)
    of = over + TRUTH + image * generator.normal(size=shape)
    of += seed * generator.normal(size=(3, 1, 1)) + family * generator.normal(size=(1, FAMILIES, 1))
    return np.stack([of, over, np.ones(shape)], axis=-1).sum(axis=2)


def resampled_twice(sums: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """The plain hierarchical bootstrap: seeds are drawn with replacement like families."""
    change = (sums[..., 0] - sums[..., 1]) / sums[..., 2]
    seeds = generator.integers(3, size=(300, 3))
    families = generator.integers(FAMILIES, size=(300, FAMILIES))
    drawn = change[seeds[:, :, None], families[:, None, :]].mean(axis=(1, 2))
    return tuple(np.quantile(drawn, [0.025, 0.975]))  # type: ignore[return-value]


@pytest.mark.parametrize("deviations", [(2.0, 0.1, 1.0), (0.3, 2.0, 1.0), (0.0, 2.0, 1.0)])
def test_with_three_seeds_it_covers_what_it_says(deviations: tuple[float, float, float]) -> None:
    generator = np.random.default_rng(7)
    hits = plain = 0
    for trial in range(200):
        sums = table(generator, *deviations)
        (found,) = effects({"m": sums}, difference, resamples=300, seed=trial)[0].values()
        hits += found.low <= TRUTH <= found.high
        low, high = resampled_twice(sums, generator)
        plain += low <= TRUTH <= high
    assert 0.92 <= hits / 200 <= 0.995
    if deviations[0] == 2:  # seeds decide: resampling three of them is far too narrow
        assert plain / 200 < 0.85


def test_families_are_drawn_whole() -> None:
    """Five copies of an image are one image: no narrower than without the copies."""
    generator = np.random.default_rng(0)
    change = generator.normal(size=FAMILIES)
    columns = [change, np.zeros(FAMILIES), np.ones(FAMILIES)]
    one = np.stack(columns, axis=-1)[None]
    each = [effects({"m": count * one}, difference, 500)[1] for count in (1, 5)]
    assert each[0].high - each[0].low == pytest.approx(each[1].high - each[1].low)
    assert (each[0].high - each[0].low) / 3.92 == pytest.approx(
        change.std() / math.sqrt(FAMILIES), rel=0.1
    )


def test_both_sides_have_the_same_draws() -> None:
    generator = np.random.default_rng(0)
    sums = table(generator, 0, 0, 0)
    found, mean = effects({"m": sums, "n": sums}, difference, 200)
    for effect in (*found.values(), mean):
        assert (effect.low, effect.value, effect.high) == pytest.approx((TRUTH,) * 3)
        assert effect.seeds == pytest.approx((TRUTH,) * 3) and effect.families == FAMILIES


def test_one_seed_knows_only_families_and_several_are_told_apart() -> None:
    sums = table(np.random.default_rng(1), 3, 0.1, 0.1)
    three, one = (effects({"m": part}, difference, 500)[1] for part in (sums, sums[:1]))
    assert math.isnan(one.sd) and three.sd == pytest.approx(np.std(three.seeds, ddof=1))
    assert three.high - three.low > 4 * three.sd > 10 * (one.high - one.low)
    assert three.value == pytest.approx(np.mean(three.seeds))


def test_the_mean_of_captioners_gains_from_their_number() -> None:
    generator = np.random.default_rng(3)
    found, mean = effects(
        {str(n): table(generator, 1, 0.1, 0.1) for n in range(7)}, difference, 1000
    )
    widths = [effect.high - effect.low for effect in found.values()]
    assert mean.high - mean.low < np.mean(widths) / 2
    assert mean.value == pytest.approx(np.mean([effect.value for effect in found.values()]))


def scores(**sides: list[list[float]]) -> pd.DataFrame:
    """A list a seed, a number an image; three images a family."""
    return pd.DataFrame(
        {"objective": name, "seed": seed, "image_id": image, "family": image // 3, "CIDEr": value}
        for name, seeds in sides.items()
        for seed, values in enumerate(seeds)
        for image, value in enumerate(values)
    )


def test_sums_by_family_of_the_seeds_that_all_have() -> None:
    found = by_family(
        scores(a=[[1, 2, 3, 4], [5, 6, 7, 8]], b=[[1, 1, 1, 2]]), [("a", "CIDEr"), ("b", "CIDEr")]
    )
    assert found.tolist() == [[[6, 3, 3], [4, 2, 1]]]
    assert len(by_family(scores(a=[[1.0]]), [("a", "CIDEr"), ("b", "CIDEr")])) == 0


def test_intervals_of_means_are_over_families() -> None:
    """Images of a family alike: five times fewer independent values, intervals wider by root 5."""
    hard = np.random.default_rng(0).normal(size=100).repeat(5)
    about = {"model": "m", "objective": "mle", "seed": 1}
    images = pd.DataFrame(
        {"CIDEr": hard, "image_id": np.arange(500), "family": np.arange(500) // 5}
    )
    half = 1.96 / np.sqrt(500)
    row = {**about, "value": hard.mean(), "low": hard.mean() - half, "high": hard.mean() + half}
    metrics = pd.DataFrame([{**row, "metric": "CIDEr"}, {**row, "metric": "BLEU-4"}])
    found = over_families(metrics, images.assign(**about)).set_index("metric")
    width = (found["high"] - found["low"]) / (2 * half)
    assert width["CIDEr"] == pytest.approx(np.sqrt(5), rel=0.15) and width["BLEU-4"] == 1
    assert found["low"]["CIDEr"] < hard.mean() < found["high"]["CIDEr"]
    alone = images.assign(family=images["image_id"], **about)
    assert over_families(metrics, alone) is metrics  # photographs
    other = metrics.assign(value=metrics["value"] + 1)  # as CIDEr of another corpus: no such mean
    assert over_families(other, images.assign(**about)).equals(other)


def test_runs_of_different_images_are_refused() -> None:
    pairs = [("a", "CIDEr"), ("b", "CIDEr")]
    for other in (scores(a=[[1, 2]], b=[[1]]), scores(a=[[1, 2]], b=[[1, math.nan]])):
        with pytest.raises(DataError, match="a and b captioned different test images"):
            by_family(other, pairs)


def test_there_is_no_ratio_to_nothing() -> None:
    sums = np.array([[[2.0, 0.0, 1.0], [3.0, 0.0, 1.0]]])
    mean: Effect = effects({"m": sums}, ratio, 20)[1]
    assert all(map(math.isnan, (mean.value, mean.low, mean.high)))
    assert ratio(np.array([[3.0, 2.0]])).tolist() == [1.5]


@pytest.mark.parametrize(
    ("points", "gain"),
    [
        ([100, 10, 90, 30], 10),  # half way to 95
        ([100, 10, 95, 30], 20),
        ([100, 10, 98, 20, 92, 40], 20),  # half way between the second and the third
        ([100, 10, 90, 30, 97, 90, 80, 99], 10),  # the first pair that has it between them
        ([100, 10, 96, 30], math.nan),
        ([100, 10, 104, 30], math.nan),
    ],
)
def test_gain_at_95_per_cent_of_cider(points: list[float], gain: float) -> None:
    many = gain_at(0.95)(np.array([points, points], dtype=float))
    assert many == pytest.approx([gain, gain], nan_ok=True)
