"""Collecting runs, averaging seeds, tables."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import Project

from bookkit.report.page import Cell, Row, interval, number, signed, table
from bookkit.report.provenance import provenance_badge, provenance_table, run_badge
from bookkit.report.results import PER_IMAGE, Results, common_seeds
from bookkit.report.tables import (
    all_captioners,
    beside_paper,
    metrics_table,
    results_table,
    settings_table,
)
from gegcore.errors import DataError
from gegcore.metrics.uncertainty import paired_difference


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)


def test_no_finished_run_is_an_error_that_says_what_to_do(project: Project) -> None:
    with pytest.raises(DataError, match="no finished run") as caught:
        Results.of(project.profile)
    assert "make book" in caught.value.fix


def test_any_subset_of_runs_will_do(project: Project) -> None:
    project.run("scst", seed=2)
    results = Results.of(project.profile)
    assert [(e.objective, e.seeds) for e in results] == [("scst", (2,))]
    assert len(results.missing) == 5
    shown = text(results_table(results).body)
    assert "transformer-mle-seed1" in shown
    assert "+SCST" in text(beside_paper(results, "transformer").body)
    assert results.find("transformer", "mle") is None


def test_captioners_are_compared_where_there_are_several(project: Project) -> None:
    project.run("mle", seed=1)
    results = Results.of(project.profile)
    assert "one captioner" in text(all_captioners(results).body)
    (entry,) = results
    both = replace(results, finished=(entry, replace(entry, model="xlan")))
    assert all_captioners(both).body == results_table(both).body
    assert "X-LAN" in text(all_captioners(both).body)


def test_an_unevaluated_run_does_not_count(project: Project) -> None:
    project.all_runs()
    results = Results.of(project.profile)
    entry = results.find("transformer", "mle")
    assert entry is not None
    entry.runs[0].file("evaluation.json").unlink()
    again = Results.of(project.profile).find("transformer", "mle")
    assert again is not None and again.seeds == (2,)


def test_estimates_are_means_over_seeds_within_their_intervals(project: Project) -> None:
    project.all_runs()
    for entry in Results.of(project.profile):
        for name, found in entry.estimates.items():
            assert found.value == pytest.approx(np.mean(entry.seed_values(name)), abs=1e-9)
            assert found.low <= found.value <= found.high
        assert set(PER_IMAGE) <= set(entry.estimates)
        assert entry.estimates["BLEU-4"][:3] == pytest.approx((36.0, 35.0, 37.0))


def test_pairs_share_seeds_and_images(project: Project) -> None:
    project.run("mle", 1)
    project.run("scst", 1)
    project.run("scst", 2)
    results = Results.of(project.profile)
    mle, scst = results.find("transformer", "mle"), results.find("transformer", "scst")
    assert mle is not None and scst is not None
    pair = common_seeds(scst, mle)
    assert pair is not None
    assert pair[0].index.equals(pair[1].index)
    change = paired_difference(pair[0]["CIDEr"], pair[1]["CIDEr"], resamples=200)
    want = scst.seed_values("CIDEr")[0] - mle.seed_values("CIDEr")[0]
    assert change.value == pytest.approx(want)


def test_seeds_of_different_images_are_refused(project: Project) -> None:
    project.run("mle", 1)
    project.run("mle", 2)
    entry = Results.of(project.profile).find("transformer", "mle")
    assert entry is not None
    path = entry.runs[1].file("per_caption.parquet")
    entry.runs[1].per_caption().iloc[1:].to_parquet(path)
    with pytest.raises(DataError, match="different test images"):
        _ = entry.per_image


def test_the_paper_and_ours_stand_in_one_table(project: Project) -> None:
    project.all_runs()
    shown = text(beside_paper(Results.of(project.profile), "transformer").body)
    assert "130.0" in shown and "0.0485" in shown and "means over 2 seeds" in shown
    assert "\N{MINUS SIGN}" in interval("GEG-Min", -0.1, 0.1)


def test_a_model_the_paper_does_not_have(project: Project) -> None:
    project.all_runs()
    assert "Paper" not in text(beside_paper(Results.of(project.profile), "none").body)


def test_metrics_of_one_run(project: Project) -> None:
    project.all_runs()
    run = Results.of(project.profile).finished[0].runs[0]
    shown = text(metrics_table(run).body)
    assert "BLEU-4" in shown and "[35.0, 37.0]" in shown


def test_settings_mark_what_the_profile_overrides(project: Project) -> None:
    body = settings_table(project.profile, "scst_geg").body
    row = next(line for line in body.split("<tr>") if ">learning_rate<" in line)
    assert "geg-best" in row and "5e-05" in row
    row = next(line for line in body.split("<tr>") if ">eps<" in line)
    assert "geg-best" not in row


def test_bold_marks_the_best_and_not_a_tie_of_all() -> None:
    from bookkit.report.tables import _kind

    shown = {"a": {"R@1": 1.0, "CIDEr": 2.0}, "b": {"R@1": 2.0, "CIDEr": 2.0}}
    assert [_kind(shown, row, "R@1") for row in "ab"] == ["", "geg-best"]
    assert [_kind(shown, row, "CIDEr") for row in "ab"] == ["", ""]


def test_where_numbers_come_from(project: Project) -> None:
    project.all_runs()
    results = Results.of(project.profile)
    badge = text(provenance_badge(results).body)
    for part in ("smoke", "1, 2", "2026-01-02", "01234567", "x86_64", "6 min"):
        assert part in badge
    assert provenance_table(results).body.count("<tr>") == 1 + 6
    assert "ab12" in run_badge(results.finished[0].runs[0]).body


def test_tables_escape_and_can_be_scrolled_by_keyboard() -> None:
    found = table(["<x>"], [Row("section"), Row("a & b", [Cell("<script>")])], 'say "this"')
    assert "<script>" not in found.body and "a &amp; b" in found.body
    assert 'tabindex="0"' in found.body and 'aria-label="say &quot;this&quot;"' in found.body
    assert "overflow-x" in found._repr_html_()


@pytest.mark.parametrize(
    ("metric", "value", "want"),
    [("CIDEr", 129.95, "129.9"), ("GEG-Min", -0.0073, "\N{MINUS SIGN}0.0073"), ("R@1", None, "–")],
)
def test_numbers_look_like_the_papers(metric: str, value: float | None, want: str) -> None:
    assert number(metric, value) == want
    assert signed("R@1", 1.0) == "+1.0"
    assert signed("R@1", -1.0) == "\N{MINUS SIGN}1.0"
