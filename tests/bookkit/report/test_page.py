"""Tables that notebooks show: numbers as the paper prints them, escaped, in a box that scrolls."""

from __future__ import annotations

import pandas as pd
import pytest

from bookkit.report.page import estimates, in_words, number, signed, styled
from bookkit.report.says import highest

TABLE = pd.DataFrame(
    {"R@1": [12.345, float("nan")], "GEG-Min": [-0.0073, 0.1], "said": ["<b>", "a\nb"]},
    index=["a & b", "c"],
)


def test_numbers_are_printed_by_the_name_of_their_column() -> None:
    shown = styled(TABLE, "caption").body
    for part in (">12.3<", ">\N{EN DASH}<", ">\N{MINUS SIGN}0.0073<", ">0.1000<"):
        assert part in shown


def test_tables_escape_and_can_be_scrolled_by_keyboard() -> None:
    found = styled(TABLE, 'say "this"', text=["said"])
    assert "<b>" not in found.body and "&lt;b&gt;" in found.body and "a &amp; b" in found.body
    assert 'tabindex="0"' in found.body and 'aria-label="say &quot;this&quot;"' in found.body
    assert "overflow-x" in found._repr_html_()
    assert found.body == styled(TABLE, 'say "this"', text=["said"]).body


def test_bold_and_rows_without_names() -> None:
    bold = pd.DataFrame(False, TABLE.index, TABLE.columns)
    bold.loc["c", "GEG-Min"] = True
    assert styled(TABLE, "x", bold=bold).body.count("geg-best") == 1
    assert "row_heading" not in styled(TABLE.reset_index(drop=True), "x").body


def test_estimates_have_their_interval_below() -> None:
    row = {"metric": "GEG-Avg", "value": 0.05, "low": -0.01, "high": 0.1}
    assert estimates(pd.DataFrame([row])) == ["0.0500\n[\N{MINUS SIGN}0.0100, 0.1000]"]


def test_figures_are_put_in_words() -> None:
    assert in_words(TABLE[["R@1"]]) == "a & b: R@1 12.3; c: R@1 \N{EN DASH}."
    nested = TABLE[["R@1"]].set_index(pd.MultiIndex.from_tuples([("x", "y"), ("x", "z")]))
    assert in_words(nested).startswith("x y: R@1 12.3; x z")


@pytest.mark.parametrize(
    ("metric", "value", "want"),
    [("CIDEr", 129.95, "129.9"), ("GEG-Min", -0.0073, "\N{MINUS SIGN}0.0073"), ("R@1", None, "–")],
)
def test_numbers_look_like_the_papers(metric: str, value: float | None, want: str) -> None:
    assert number(metric, value) == want
    assert signed("R@1", 1.0) == "+1.0"
    assert signed("R@1", -1.0) == "\N{MINUS SIGN}1.0"


def test_what_a_table_shows_is_said_below_it() -> None:
    table = pd.DataFrame(
        {"CIDEr": [3.0, 2.0, 1.0], "R@1": [1.0, 2.0, 9.0], "R@5": [1.0, 2.0, 3.0]},
        index=["+SCST", "MLE", "+SCST+GEG"],
    )
    assert highest(table) == "Highest: +SCST in CIDEr; +SCST+GEG in R@1 and R@5."
    assert highest(table.iloc[::-1]) == highest(table)
    assert highest(table.assign(CIDEr=float("nan"))) == "Highest: +SCST+GEG in R@1 and R@5."
    assert highest(table[[]]) == ""
    low = table.assign(repetition=[*range(len(table))])
    assert highest(low).endswith(f"; lowest (better): {table.index[0]} in repetition.")
    assert highest(low[["repetition"]]).startswith(f"Lowest (better): {table.index[0]}")
    several = table.set_index(pd.MultiIndex.from_product([["X-LAN"], table.index]))
    assert highest(several).startswith("Highest: X-LAN +SCST in CIDEr")
    shown = styled(table, "under", reading="a < b").body
    assert shown.endswith('under</p><p class="geg-reading">a &lt; b</p>')
    assert "geg-reading" not in styled(table, "under").body
