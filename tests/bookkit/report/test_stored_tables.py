"""Tables of stored runs, beside the paper's and by family of metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookkit.report.every_metric import (
    FAMILIES,
    JUDGED,
    every_metric_table,
    judged_table,
    signature_list,
)
from bookkit.report.stored_runs import objectives_table, stored_table
from gegcore.errors import DataError
from gegcore.storage import read_json, write_json


def store(run: Path) -> None:
    names = ("CIDEr", "METEOR", "R@1", "R@5", "GEG-Avg", "GEG-Min")
    metrics = {name: {"value": 12.25, "ci95": [11.5, 13.5], "n": 9} for name in names}
    write_json(run / "metrics.json", {"metrics": metrics})
    write_json(run / "provenance.json", {"trained": {"git_revision": "0123456789abcdef"}})


def test_stored_results_are_set_beside_the_paper(tmp_path: Path) -> None:
    folder = tmp_path / "seven"
    assert "No results are stored" in stored_table(folder)._repr_html_()
    store(folder / "xlan-mle-seed1")
    shown = stored_table(folder)._repr_html_()
    assert shown.count('scope="row"') == 1 and "X-LAN" in shown
    assert "12.2" in shown and "[11.5, 13.5]" in shown and "0123456" in shown
    assert "120.7" in shown  # the paper's X-LAN (MLE), Table 2


def test_stored_objectives_are_set_beside_the_ablation_of_the_paper(tmp_path: Path) -> None:
    folder = tmp_path / "objectives"
    assert "No results are stored" in objectives_table(folder, "xlan")._repr_html_()
    for objective in ("mle", "scst_geg_min", "scst_geg_sole"):
        store(folder / f"xlan-{objective}-seed1")
    shown = objectives_table(folder, "xlan")._repr_html_()
    labels = [f"{name}</th>" for name in ("MLE", "+SCST+GEG-Min", "+SCST+GEG-sole")]
    assert shown.count('scope="row"') == 3 and all(label in shown for label in labels)
    assert "120.7" in shown  # the paper's X-LAN (MLE), Table 2
    assert "17.4" in shown and "32.8" in shown  # its X-LAN+SCST+GEG-sole, Table 3
    with pytest.raises(DataError, match="no model"):
        objectives_table(folder, "show_and_tell")


def test_every_metric_stands_in_its_family_with_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "objectives"
    assert "No results" in every_metric_table(folder, "xlan", ["mle"])._repr_html_()
    assert "<dt>" not in signature_list(folder, "xlan", "mle")._repr_html_()
    for objective, names in {
        "mle": ("CIDEr", "R@1", "repetition", "a new metric"),
        "scst_geg": ("CIDEr", "R@1", "fact precision"),
    }.items():
        run = folder / f"xlan-{objective}-seed1"
        metrics = {name: {"value": 12.25, "ci95": [11.5, 13.5], "n": 900} for name in names}
        stored = {
            "metrics": metrics,
            "missing": {"SPICE": "run `gegcore setup-spice`"},
            "signature": {"CIDEr": "n < 5", "groups": {"clip": "a"}},
        }
        write_json(run / "metrics.json", stored)
        revision = {"git_revision": "fedcba9876543210"}
        write_json(run / "provenance.json", {"trained": {}, "evaluated": revision})
    shown = every_metric_table(folder, "xlan", ["mle", "scst", "scst_geg"])._repr_html_()
    rows = re.findall(r'scope="row(?:group)?">([^<]+)</th>', shown)
    assert rows == [
        "Words, against the references", "CIDEr", "SPICE",
        "The CLIP of the reward", "R@1",
        "Truth, by the scene graphs", "fact precision",
        "The words themselves", "repetition \N{DOWNWARDS ARROW}",
        "Others", "a new metric",
    ]  # fmt: skip
    assert shown.count("12.2<small>[11.5, 13.5]") == 7 and shown.count(">n/a") == 5
    assert "fedcba98" in shown and "900 test images" in shown and "setup-spice" in shown
    signatures = signature_list(folder, "xlan", "mle")._repr_html_()
    assert "<dt>CIDEr</dt><dd>n &lt; 5</dd>" in signatures and "clip a" in signatures
    with pytest.raises(DataError, match="no objective"):
        every_metric_table(folder, "xlan", ["sct"])


def test_judges_of_all_captioners_stand_side_by_side(tmp_path: Path) -> None:
    assert "No results" in judged_table(tmp_path / "seven", ["scst"])._repr_html_()
    for model in ("updown", "xlan"):
        run = tmp_path / "seven" / f"{model}-scst_geg-seed1"
        metrics = {name: {"value": 12.25, "ci95": [11.5, 13.5], "n": 900} for name in JUDGED[:-1]}
        write_json(run / "metrics.json", {"metrics": metrics, "signature": {}})
        write_json(run / "provenance.json", {"evaluated": {"git_revision": "fedcba9876543210"}})
    shown = judged_table(tmp_path / "seven", ["scst", "scst_geg"])._repr_html_()
    rows = re.findall(r'scope="row(?:group)?">([^<]+)</th>', shown)
    assert rows == ["Up-Down", "+SCST+GEG", "X-LAN", "+SCST+GEG"]
    assert shown.count("12.2<small>") == 8 and shown.count(">n/a") == 2
    assert all(f">{name}</th>" in shown for name in JUDGED) and "R@1 VSE++" in JUDGED


def test_families_name_every_metric_of_an_evaluation_once() -> None:
    members = [name for family in FAMILIES.values() for name in family]
    assert len(set(members)) == len(members)
    stored = read_json(Path("results/objectives/transformer-mle-seed1/metrics.json"))["metrics"]
    assert set(stored) <= set(members)
