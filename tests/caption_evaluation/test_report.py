"""Reports: what decides a score is said, and nothing that a file is called breaks a format."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from caption_evaluation.report import (
    EvaluationReport,
    as_html,
    as_json,
    as_markdown,
    as_text,
    score_table,
)
from gegcore import __version__
from gegcore.metrics.evaluate import Evaluation
from gegcore.metrics.presentation import LOWER
from gegcore.metrics.uncertainty import Difference

SIGNATURE = {
    "tokenizer": "PTB",
    "BLEU": "corpus",
    "R@K": "ties rank before",
    "CIDErBtw": "CIDEr-D",
    "clip": "ViT",
    "clip_digest": "01",
    "K": 5,
    "word_groups": "K = 5, Eq. 2 by ViT@01",
    "captions": 7,
    "interval": "95% bootstrap",
    "resamples": 2000,
    "seed": 0,
}
HOSTILE = "a|b *c* <script>_`d`\n[e](f) & &lt; {{ 1 }}.json"


def _report(name: str = "captions.json") -> EvaluationReport:
    metric = {"value": 12.25, "ci95": [-1.0, 20.5], "n": 7}
    metrics = {"CIDEr": metric, "repetition": metric, "share|of *words*": metric}
    said = pd.DataFrame({"caption": ["a", "b"], "CIDEr": [1.0, float("nan")]})
    found = Evaluation(metrics, said, SIGNATURE, {}, {"R@1": f"no {HOSTILE}"})
    files = {
        role: {"name": name, "sha256": "0" * 64}
        for role in ("captions", "references", "compared with")
    }
    change = Difference(-2.0, -3.0, -1.0, 0.0004, 7)
    differences = dict.fromkeys(metrics, change) | {"repetition": change._replace(p_value=0.0502)}
    skipped = {f"{name}: images": [HOSTILE] * 60}
    return EvaluationReport(found, files, "feed", skipped, other=found, differences=differences)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("BLEU-4", "corpus|tok:PTB"),
        ("length", "tok:PTB"),
        ("R@10", "ties rank before|pictures:8-bit RGB, upright|clip:ViT@01"),
        ("GEG-Avg", "GEG-Avg|pictures:8-bit RGB, upright|clip:ViT@01|K:5"),
        ("bag R@1", "pictures:8-bit RGB, upright|clip:ViT@01|K:5"),
        ("RefCLIPScore", "pictures:8-bit RGB, upright|clip:ViT@01"),
        ("CIDErBtw", "CIDEr-D|tok:PTB|groups:K = 5, Eq. 2 by ViT@01"),
    ],
)
def test_what_decides_a_score_is_in_its_line(metric: str, said: str) -> None:
    line = _report().signature(metric)
    assert line.startswith(f"{metric}|")
    assert line.endswith(f"{said}|N:7|refs:feed|gegcore:{__version__}")


def test_every_metric_has_a_row_in_its_family() -> None:
    table = score_table(_report()).set_index("metric")
    assert table["family"].tolist() == [
        "Words, against the references",
        "CLIP, against the pictures",
        "The words themselves",
        "Others",
    ]
    assert table.loc["R@1", "value"] == "n/a" and table.loc["R@1", "p"] == ""
    assert table.loc["CIDEr"].tolist()[1:] == [
        *("12.2", "[\N{MINUS SIGN}1.0, 20.5]", "12.2", "\N{MINUS SIGN}2.0"),
        *("[\N{MINUS SIGN}3.0, \N{MINUS SIGN}1.0]", "< 0.001", "yes"),
    ]
    assert table.loc[f"repetition {LOWER}", "differs"] == ""


def test_markdown_cells_stay_cells_whatever_files_and_metrics_are_called() -> None:
    text = as_markdown(_report(HOSTILE))
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == 2 + 4 + 4  # head and rule, families, metrics
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    outside_code = re.sub(r"^- `.*$", "", text, flags=re.M)
    assert not re.search(r"(?<!\\)<script>|(?<!\\)\[e|(?<!\\)`d|(?<!\\)\*c", outside_code)


def test_html_is_escaped_and_long_lists_are_cut() -> None:
    page = as_html(_report(HOSTILE))
    assert page.startswith("<!doctype html>") and "{{ 1 }}" in page
    assert "<script" not in page and "&lt;script&gt;" in page and "&amp;lt;" in page
    assert page.count("<li>a|b") == 50 and "<li>and 10 more</li>" in page
    assert page.count('class="differs"') == 2 and "Bold: p below 0.05." in page


UNSEEN = "a\x1b[31m\x07b\x9b2J\u202egnp.c\u2066\x7f\r"


def test_control_characters_are_shown_and_not_obeyed() -> None:
    report = replace(_report(UNSEEN), hints=[UNSEEN], skipped={UNSEEN: [UNSEEN]})
    found = report.evaluation
    odd = replace(found, metrics=found.metrics | {UNSEEN: found.metrics["CIDEr"]})
    report = replace(report, evaluation=odd, other=odd)
    for form in (as_text, as_markdown, as_html):
        shown = form(report)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", shown), form
        assert re.search(r"a\\{1,2}x1b\\?\[31m", shown) and "u202egnp.c" in shown


def test_hints_are_in_every_form() -> None:
    report = replace(_report(), hints=["10 of 10 texts hold special tokens"])
    for form in (as_text, as_markdown, as_html, as_json):
        assert "10 of 10 texts hold special tokens" in form(report)


def test_text_is_ascii_and_aligned() -> None:
    text = as_text(_report())
    text.encode("ascii")
    head, rule, *rest = text.split("\n")
    assert set(rule) == {"-"} and len(rule) == len(head)
    shown = [line for line in rest if line.endswith("0.001") or line.endswith("0.050")]
    assert {len(line) for line in shown} == {len(head)} and len(shown) == 3
    assert (
        "repetition (lower is better) " in text and "Left out, captions.json: images (60)" in text
    )


def test_json_has_null_for_what_is_no_number() -> None:
    stored = json.loads(as_json(_report()))
    assert [row["CIDEr"] for row in stored["per_caption"]] == [1.0, None]
    assert stored["skipped"][0]["count"] == 60
