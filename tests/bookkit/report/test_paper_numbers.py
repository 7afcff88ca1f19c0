"""The paper's tables as data: complete, and with the inconsistencies that the ledger lists."""

from __future__ import annotations

import pytest

from bookkit.report.claims import load_ledger
from bookkit.report.paper import COLUMNS, MODEL_NAMES, TABLES, model_rows, paper_row
from gegcore.errors import ConfigError


def test_seven_models_in_three_stages_and_four_others() -> None:
    assert len(TABLES[2]) == 7 * 3 + 4
    for model in MODEL_NAMES:
        rows = model_rows(model)
        assert list(rows) == ["mle", "scst", "scst_geg"]
        assert all(set(row.values) == set(COLUMNS[2]) for row in rows.values())


def test_dashes_are_absent_not_zero() -> None:
    assert set(paper_row(2, "Gdis-Cap").values) == {
        "CIDEr", "R@1", "R@5", "R@10", "BLEU-3", "BLEU-4",
    }  # fmt: skip
    assert "BLEU-1" not in paper_row(2, "Stack-Cap").values


def test_every_language_metric_is_in_order() -> None:
    """BLEU falls and recall rises along the row: a shifted column would not."""
    for row in TABLES[2].values():
        bleu = [
            row.values[name]
            for name in COLUMNS[2]
            if name.startswith("BLEU") and name in row.values
        ]
        assert bleu == sorted(bleu, reverse=True)
        assert row.values["R@1"] < row.values["R@5"] < row.values["R@10"]
        if "GEG-Avg" in row.values:
            assert row.values["GEG-Min"] < row.values["GEG-Avg"]


def test_the_only_impossible_recall_is_the_one_listed() -> None:
    """Of 5,000 images every recall is a multiple of 0.02."""
    odd = [
        (table, row.name, name, value)
        for table in (2, 3)
        for row in TABLES[table].values()
        for name, value in row.values.items()
        if name.startswith("R@") and round(100 * value) % 2
    ]
    assert odd == [(3, "X-LAN+SCST+GEG", "R@1", 28.13)]


def test_findings_that_can_be_computed_are_true() -> None:
    five = {name: row.values["R@5"] for name, row in TABLES[2].items()}
    assert five["X-LAN+SCST+GEG"] < min(
        five["Transformer+SCST+GEG"], five["Meshed-Memory+SCST+GEG"]
    )
    assert paper_row(3, "X-LAN+SCST+ER").values["R@5"] > five["X-LAN+SCST+GEG"]
    scst = [row.values["CIDEr"] for name, row in TABLES[2].items() if name.endswith("+SCST")]
    assert scst != sorted(scst)
    assert len(load_ledger().findings) >= 5


def test_unknown_rows_are_errors() -> None:
    with pytest.raises(ConfigError, match="Table 2 of the paper has no row 'BLIP'"):
        paper_row(2, "BLIP")
    assert model_rows("blip") == {}
