"""The paper's tables as printed: complete, in order, and with the misprints that are listed."""

from __future__ import annotations

import pytest

from bookkit.report.ledger import load_ledger
from bookkit.report.paper import MODEL_NAMES, paper_rows, paper_table, paper_value
from gegcore.errors import ConfigError


def test_seven_models_in_three_stages_and_four_others() -> None:
    assert len(paper_table(2)) == 7 * 3 + 4
    for model in MODEL_NAMES:
        rows = paper_rows(2, model)
        assert list(rows.index) == ["MLE", "+SCST", "+SCST+GEG"]
        assert rows.notna().all(axis=None)
    assert list(paper_rows(3, "xlan").index) == [
        "+SCST", "+SCST+GEG", "+SCST++", "+SCST+ER", "+SCST+GEG-sole",
    ]  # fmt: skip


def test_dashes_are_absent_not_zero() -> None:
    printed = paper_table(2).loc["Gdis-Cap"].dropna()
    assert list(printed.index) == ["CIDEr", "R@1", "R@5", "R@10", "BLEU-3", "BLEU-4"]


def test_every_language_metric_is_in_order() -> None:
    """BLEU falls and recall rises along the row: a shifted column would not."""
    for row in paper_table(2).to_dict("records"):
        bleu = [row[f"BLEU-{n}"] for n in (1, 2, 3, 4) if row[f"BLEU-{n}"] == row[f"BLEU-{n}"]]
        assert bleu == sorted(bleu, reverse=True)
        assert row["R@1"] < row["R@5"] < row["R@10"]
        assert not row["GEG-Min"] >= row["GEG-Avg"]


def test_the_only_impossible_recall_is_the_one_listed() -> None:
    """Of 5,000 images every recall is a multiple of 0.02."""
    odd = [
        (table, row, name, value)
        for table in (2, 3)
        for row, values in paper_table(table).to_dict("index").items()
        for name, value in values.items()
        if str(name).startswith("R@") and round(100 * value) % 2
    ]
    assert odd == [(3, "X-LAN+SCST+GEG", "R@1", 28.13)]


def test_findings_that_can_be_computed_are_true() -> None:
    five = paper_table(2)["R@5"]
    assert five["X-LAN+SCST+GEG"] < five[["Transformer+SCST+GEG", "Meshed-Memory+SCST+GEG"]].min()
    assert paper_value(3, "X-LAN+SCST+ER", "R@5") > five["X-LAN+SCST+GEG"]
    scst = paper_table(2).filter(regex=r"\+SCST$", axis=0)["CIDEr"]
    assert not scst.is_monotonic_increasing
    assert len(load_ledger().findings) >= 5


def test_what_is_not_printed_is_an_error() -> None:
    for table, row, metric, said in (
        (2, "BLIP", "CIDEr", "Table 2 of the paper has no row 'BLIP'"),
        (3, "X-LAN+SCST", "SPICE", "Table 3 of the paper has no metric 'SPICE'"),
        (2, "Gdis-Cap", "SPICE", "prints no SPICE of Gdis-Cap"),
        (9, "X", "CIDEr", "no row 'X'"),
    ):
        with pytest.raises(ConfigError, match=said):
            paper_value(table, row, metric)
    assert paper_rows(2, "blip").empty
