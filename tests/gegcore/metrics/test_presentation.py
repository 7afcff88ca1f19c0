"""How metrics are shown: every metric in one family, formats of the paper."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gegcore.metrics.evaluate import METRICS
from gegcore.metrics.presentation import (
    FAMILIES,
    LOWER,
    LOWER_IS_BETTER,
    families_of,
    interval,
    label,
    number,
    signed,
)

KNOWN = [name for members in FAMILIES.values() for name in members]


@given(st.permutations([*KNOWN, "R@1 VSE++", "GEG-Min VSE++", "R@", "of my own"]))
def test_each_metric_is_in_one_family_in_the_order_of_the_table(names: list[str]) -> None:
    found = families_of(names)
    assert sorted(name for members in found.values() for name in members) == sorted(names)
    for heading, members in FAMILIES.items():
        assert [name for name in found[heading] if name in KNOWN] == list(members)
    assert set(found["Judges that were never rewarded"]) == {"R@1 VSE++", "GEG-Min VSE++"}
    assert set(found["Others"]) == {"R@", "of my own"} and list(found)[-1] == "Others"


def test_metrics_of_pictures_and_those_better_low_are_known() -> None:
    assert {name for metric in METRICS for name in metric.of_pictures} <= set(KNOWN)
    assert set(LOWER_IS_BETTER) <= set(KNOWN)
    assert families_of(["CIDEr"]) == {"Words, against the references": ["CIDEr"]}


def test_formats() -> None:
    assert number("GEG-Avg judge", -0.12345) == "\N{MINUS SIGN}0.1235"
    assert number("vocabulary", 120.0) == "120" and number("CIDEr", 120.04) == "120.0"
    assert number("CIDEr", None) == "\N{EN DASH}"
    assert interval("R@1", 1, 2.06) == "[1.0, 2.1]"
    assert [signed("R@1", value) for value in (1, 0, -1)] == ["+1.0", "0.0", "\N{MINUS SIGN}1.0"]
    assert label("CIDErBtw") == f"CIDErBtw {LOWER}" and label("CIDEr") == "CIDEr"
