"""The report of `gegcore evaluate` as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bookkit.report.page import Cell, Html, Row, number, picture, table
from gegcore.errors import ConfigError, DataError
from gegcore.evaluation.image_folder import open_picture
from gegcore.evaluation.report import (
    LOWER,
    EvaluationReport,
    as_json,
    as_markdown,
    basis,
    headings,
    lines,
    sources,
    unavailable,
)
from gegcore.storage import write_text

_EXAMPLES, _THUMBNAIL = 6, 220
_SHOWN_ITEMS = 50

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root{{--geg-accent:#b8460f;--geg-line:#d9dfe6;--geg-paper:#f6f8fa;--geg-good:#1d6b3f;
color-scheme:light dark}}
@media (prefers-color-scheme:dark){{:root{{--geg-accent:#ff9a62;--geg-line:#3c444d;
--geg-paper:#1d2227;--geg-good:#7fd6a2}}}}
body{{font:16px/1.6 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:62rem;margin:0 auto;
padding:1.2rem 1rem 3rem;color:CanvasText;background:Canvas}}
h1{{font-size:1.7rem;letter-spacing:-.015em;line-height:1.25;overflow-wrap:anywhere;
margin:.4rem 0 .2rem}}
h2{{font-size:1.15rem;margin:2rem 0 .4rem}}
.lead{{opacity:.8;margin:0 0 1rem}}
ul{{padding-left:1.2rem;margin:.3rem 0}}li{{overflow-wrap:anywhere}}
code{{font-size:.8rem;overflow-wrap:anywhere}}
details{{margin:.4rem 0}}summary{{cursor:pointer}}
.examples{{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fill,minmax(min(17rem,45%),1fr))}}
.examples .geg-card{{padding:.7rem}}
.examples img{{width:100%;height:auto;border-radius:.4rem}}
</style></head><body>
{body}
</body></html>
"""


def as_html(report: EvaluationReport) -> str:
    """A page that fits a phone and a desktop, in light and dark."""
    title = f"Captions of {report.captions.name}"
    signature = report.evaluation.signature
    lead = f"{len(report.evaluation.per_caption):,} captions"
    if "clip" in signature:
        lead += f", retrieved by {signature['clip']} in groups of K = {signature['K']}"
    if report.compared is not None:
        lead += f", compared with {report.compared.name}"
    body = Html(f'<h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}.</p>')
    body += _scores(report) + _skipped(report) + _examples(report)
    body += Html("<h2>Signatures</h2><p>Scores can be compared where these are the same.</p>")
    body += _list(
        f"<code>{html.escape(report.signature(x))}</code>" for x in report.evaluation.metrics
    )
    body += Html("<h2>Files</h2>") + _list(
        f"{role}: {html.escape(source.name)}, SHA-256 <code>{source.sha256}</code>"
        for role, source in sources(report)
    )
    return _PAGE.format(title=html.escape(title), body=body._repr_html_())


def write_report(report: EvaluationReport, path: Path | str) -> None:
    """Write the report in the format of the file's ending; an old file is replaced whole.

    Raises:
        ConfigError: another ending than those of `FORMATS`.
        DataError: the file cannot be written.
    """
    path = Path(path)
    text = report_format(path)(report)
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}", "choose another") from error


def report_format(path: Path) -> Callable[[EvaluationReport], str]:
    """What writes a report file with this ending.

    Raises:
        ConfigError: nothing does.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ConfigError(
            f"{path} has none of the endings of a report", f"end it in {', '.join(FORMATS)}"
        ) from None


FORMATS: dict[str, Callable[[EvaluationReport], str]] = {
    ".json": as_json,
    ".md": as_markdown,
    ".html": as_html,
}
"""Ending of a report's file -> what writes it."""


def _scores(report: EvaluationReport) -> Html:
    columns = headings(report)
    narrow = [name for name in columns[1:] if name != "95 % interval"]
    rows = []
    for name, *cells in lines(report):
        if not cells:
            rows.append(Row(name))
            continue
        value, between, *compared = cells
        shown = [Cell(value, between)]
        if compared:
            there, difference, span, p_value = compared
            found = report.differences.get(name.removesuffix(f" {LOWER}"))
            kind = "geg-best" if found and found.p_value < 0.05 else ""
            shown += [Cell(there), Cell(difference, span, kind), Cell(p_value)]
        rows.append(Row(name, shown))
    legend = f"{LOWER}: lower is better."
    if report.compared is not None:
        legend += " Bold: p below 0.05."
    said = " ".join([*basis(report), legend, *unavailable(report)])
    return table(narrow, rows, said, corner=columns[0])


def _skipped(report: EvaluationReport) -> Html:
    """What was left out, each kind to be unfolded."""
    if not report.skipped:
        return Html("")
    body = "<h2>Left out</h2>"
    for reason, items in report.skipped:
        shown = "".join(f"<li>{html.escape(item)}</li>" for item in items[:_SHOWN_ITEMS])
        more = len(items) - _SHOWN_ITEMS
        shown += f"<li>and {more:,} more</li>" if more > 0 else ""
        summary = f"{html.escape(reason)} ({len(items):,})"
        body += f"<details><summary>{summary}</summary><ul>{shown}</ul></details>"
    return Html(body)


def _examples(report: EvaluationReport) -> Html:
    """The captions with the largest and the smallest gap to their groups, with the pictures."""
    said = report.evaluation.per_caption
    if not report.pictures or "GEG-Avg" not in said:
        return Html("")
    order = said.sort_values("GEG-Avg", ascending=False, kind="stable")
    half = min(_EXAMPLES, len(order) // 2)
    body = ""
    for heading, rows in (
        ("Most distinctive captions", order.head(half)),
        ("Least distinctive captions", order.tail(half)[::-1]),
    ):
        cards = "".join(_card(report, row) for row in rows.to_dict("records"))
        body += f'<h2>{heading}</h2><div class="examples">{cards}</div>'
    return Html(body)


def _card(report: EvaluationReport, row: Mapping[Hashable, Any]) -> str:
    thumbnail = open_picture(report.pictures[row["image_id"]])
    thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    shown = picture(np.asarray(thumbnail), f"Picture {row['image_id']}", colours=128)
    shown = shown.replace(' loading="lazy"', "")  # It is in the page already; print it, too.
    gap, place = number("GEG-Avg", row["GEG-Avg"]), int(row["rank"]) + 1
    return (
        f'<div class="geg-card">{shown}<p>{html.escape(row["caption"])}</p>'
        f'<p class="geg-under">GEG-Avg {gap}, own picture retrieved at place {place:,}</p></div>'
    )


def _list(items: Iterable[str]) -> Html:
    return Html("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")
