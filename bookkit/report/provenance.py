"""Where the numbers of a page come from: which runs, code, machine, versions and data."""

from __future__ import annotations

from typing import Any

from bookkit.report.frontpage import badge_html, short
from bookkit.report.page import Cell, Html, Row, table
from bookkit.report.results import Results
from gegcore.runs import RunFolder
from gegcore.storage import read_json


def provenance_badge(results: Results) -> Html:
    """Profile, runs, days, commits, devices and training time as a row of labels."""
    records = [_record(run) for entry in results for run in entry.runs]
    trained = [record["trained"] for record in records]
    days = sorted({str(record["created"])[:10] for record in trained})
    seeds = sorted({seed for entry in results for seed in entry.seeds})
    seconds = sum(float(record["wall_seconds_training"]) for record in records)
    facts = {
        "profile": results.profile.name,
        "runs": str(len(records)),
        "seeds": ", ".join(map(str, seeds)),
        "date": " to ".join(dict.fromkeys((days[0], days[-1]))),
        "commit": ", ".join(sorted({short(str(r["git_revision"])) for r in trained} - {""})),
        "device": ", ".join(sorted({str(record["device"]) for record in trained})),
        "training": _duration(seconds),
    }
    return Html(badge_html(facts))


def provenance_table(results: Results) -> Html:
    """One row a run: where and when it was trained, from which commit and data."""
    columns = ("trained", "took", "device", "commit", "torch", "data")
    rows = []
    for entry in results:
        for seed, run in zip(entry.seeds, entry.runs, strict=True):
            rows.append(Row(f"{entry.model} {entry.label}, seed {seed}", _cells(run)))
    caption = "A + after a commit: files differed from it. Data: digest of all that a run reads."
    return table(columns, rows, caption, corner="Run")


def run_badge(run: RunFolder) -> Html:
    """The badge of one run, with the digest of the data it read."""
    record = _record(run)
    trained = record["trained"]
    return Html(
        badge_html(
            {
                "run": run.name,
                "date": str(trained["created"])[:10],
                "commit": short(str(trained["git_revision"])),
                "device": str(trained["device"]),
                "torch": str(trained["versions"].get("torch", "")),
                "data": str(record["digests"]["materials"]),
            }
        )
    )


def _cells(run: RunFolder) -> list[Cell]:
    record = _record(run)
    trained = record["trained"]
    return [
        Cell(str(trained["created"])[:16].replace("T", " ")),
        Cell(_duration(float(record["wall_seconds_training"]))),
        Cell(str(trained["device"])),
        Cell(short(str(trained["git_revision"])) or "not in git"),
        Cell(str(trained["versions"].get("torch", ""))),
        Cell(str(record["digests"]["materials"])),
    ]


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _record(run: RunFolder) -> dict[str, Any]:
    return read_json(run.file("provenance.json"))
