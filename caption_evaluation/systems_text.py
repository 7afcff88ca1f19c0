"""What `gegcore evaluate` found of several systems: as text, Markdown, CSV and JSON."""

from __future__ import annotations

import json
import math

import pandas as pd

from caption_evaluation.report import EvaluationReport, escaped, remarks, visible
from caption_evaluation.systems import ALPHA, SystemsReport
from gegcore import __version__
from gegcore.errors import some
from gegcore.metrics.presentation import LOWER, MINUS, families_of, interval, label, number

SHOWN = (
    *("CIDEr", "BLEU-4", "METEOR", "ROUGE-L", "SPICE", "R@1", "R@5", "GEG-Avg", "CIDErBtw"),
    *("DisWordRate", "CHAIR-s", "CHAIR-i", "vocabulary", "length"),
)
"""Metrics of the table in a terminal; files have all."""


def wide(report: SystemsReport, shown: tuple[str, ...] = ()) -> pd.DataFrame:
    """A row a system, best CIDEr first, a column a metric: "87.2 (3)", the rank in brackets."""
    scores = report.scores
    rows = zip(scores["metric"], scores["value"], scores["rank"], strict=True)
    scores = scores.assign(shown=[f"{number(name, value)} ({rank})" for name, value, rank in rows])
    found = scores["metric"].unique().tolist()
    known = [name for name in shown or found if name in found]
    table = scores.pivot(index="system", columns="metric", values="shown")[known]
    by = "CIDEr" if "CIDEr" in found else found[0]
    order = scores[scores["metric"] == by].sort_values("rank", kind="stable")["system"]
    return table.loc[order].rename(columns=label).rename_axis(None).rename_axis(None, axis=1)


def said_of_pairs(report: SystemsReport) -> list[str]:
    """Which systems chance alone could make differ so, by the metrics of the table."""
    sentences, count = [], len(next(iter(report.pairs.values())))
    resamples = next(iter(report.evaluations.values())).signature["resamples"]
    if count / (resamples + 1) >= ALPHA:  # the least p-value that there can be
        least = math.ceil(count / ALPHA)
        return [f"To test {count} pairs takes at least {least:,} resamples (--resamples)."]
    for metric in (name for name in SHOWN if report.alike.get(name)):
        pairs = some([f"{one} and {two}" for one, two in report.alike[metric]], 6)
        sentences.append(f"Not told apart by {metric}: {pairs}")
    rule = f"permutation test of all {count} pairs, p corrected within each metric (Holm), 5 %"
    return [f"{each}." for each in sentences] + [f"Pairs: {rule}."]


def notes(report: SystemsReport) -> list[str]:
    """Sentences below the table."""
    first = next(iter(report.evaluations.values()))
    one = EvaluationReport(
        first, report.files, report.references_digest, report.skipped, hints=report.hints
    )
    return [*remarks(one), *said_of_pairs(report)]


def systems_as_text(report: SystemsReport) -> str:
    """For a terminal, which may know ASCII only."""
    table = wide(report, SHOWN).rename(columns=lambda name: name.replace(LOWER, "(low)"))
    table.index = table.index.map(visible)
    shown = table.fillna("n/a").to_string().replace(MINUS, "-")
    head, *lines = shown.splitlines()
    rest = [*map(visible, notes(report)), "In brackets: rank, 1 is best."]
    return "\n".join([head, "-" * len(head), *lines, "", *rest])


def systems_as_markdown(report: SystemsReport) -> str:
    """One table with intervals."""
    scores = report.scores.set_index(["system", "metric"])
    table, known = wide(report), report.scores["metric"].unique().tolist()
    rows = []
    for name in table.index:
        cells = []
        for metric in (m for each in families_of(known).values() for m in each):
            found = scores.loc[(name, metric)] if (name, metric) in scores.index else None
            cells.append("n/a" if found is None else _cell(metric, found))
        rows.append(f"| {escaped(name)} | {' | '.join(cells)} |")
    names = [m for each in families_of(known).values() for m in each]
    head = f"| System | {' | '.join(escaped(label(name)) for name in names)} |"
    lines = ["<!-- gegcore evaluate -->", "# Systems", "", head, "| --- |" + " ---: |" * len(names)]
    return "\n".join([*lines, *rows, "", *(f"- {escaped(x)}" for x in notes(report))]) + "\n"


def _cell(metric: str, found: pd.Series) -> str:
    value = f"{number(metric, found['value'])} {interval(metric, found['low'], found['high'])}"
    return f"{value} ({int(found['rank'])})"


def systems_as_csv(report: SystemsReport) -> str:
    """For programs: a row a system and metric."""
    return report.scores.to_csv(index=False)


def systems_as_json(report: SystemsReport) -> str:
    """Everything, pairs and values per caption included. A value that is no number is null."""
    stored = {
        "gegcore": __version__,  # First: `outputs` knows a report by it.
        "files": report.files,
        "systems": {
            name: {
                "metrics": each.metrics,
                "missing": each.missing,
                "signature": each.signature,
                "per_caption": each.per_caption.to_dict("records"),
            }
            for name, each in report.evaluations.items()
        },
        "scores": report.scores.to_dict("records"),
        "pairs": {
            metric: [
                {"first": pair.first, "second": pair.second, **pair.difference._asdict()}
                | {"p_holm": pair.p_holm}
                for pair in pairs
            ]
            for metric, pairs in report.pairs.items()
        },
        "skipped": [
            {"reason": reason, "count": len(items), "items": items}
            for reason, items in report.skipped.items()
        ],
        "hints": list(report.hints),
        "references": report.references_digest,
    }
    finite = json.loads(json.dumps(stored, default=float), parse_constant=lambda _: None)
    return json.dumps(finite, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
