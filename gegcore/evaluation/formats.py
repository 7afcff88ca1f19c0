"""A report as text for a terminal, as Markdown, and as one HTML file that loads nothing else."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from gegcore.errors import ConfigError, DataError
from gegcore.evaluation.image_folder import open_picture
from gegcore.evaluation.report import (
    EvaluationReport,
    as_json,
    basis,
    headings,
    remarks,
    score_table,
    unavailable,
)
from gegcore.metrics.presentation import LOWER, MINUS, number
from gegcore.storage import write_text

_EXAMPLES, _THUMBNAIL, _COLOURS = 6, 220, 128
_LEGEND = f"{LOWER}: lower is better."


def as_text(report: EvaluationReport) -> str:
    """For a terminal, which may know ASCII only."""
    table = score_table(report).replace({MINUS: "-", LOWER: "(lower is better)"}, regex=True)
    titles = headings(report)
    head, rule, *lines = _written(table[[*titles]], titles.values(), "simple").splitlines()
    shown, rest = [head, rule], iter(lines)
    for family, members in table.groupby("family", sort=False):
        shown += ["", str(family), *islice(rest, len(members))]
    return "\n".join([*map(str.rstrip, shown), "", *remarks(report)])


def as_markdown(report: EvaluationReport) -> str:
    """Tables of scores and signatures."""
    titles, parts = headings(report), []
    for family, members in score_table(report).groupby("family", sort=False):
        parts.append(pd.DataFrame({"metric": [f"**{family}**"]}))
        parts.append(members.assign(metric=members["metric"].map(_escaped)))
    table = pd.concat(parts)[[*titles]].fillna("")
    said = "\n".join(f"- {_escaped(sentence)}" for sentence in (*remarks(report), _LEGEND))
    signatures = "\n".join(f"- `{report.signature(name)}`" for name in report.evaluation.metrics)
    files = "\n".join(
        f"- {role}: {_escaped(source.name)}, SHA-256 `{source.sha256}`"
        for role, source in report.sources.items()
    )
    return (
        f"# Captions of {_escaped(report.captions.name)}\n\n"
        f"{_written(table, map(_escaped, titles.values()), 'pipe')}\n\n{said}\n\n"
        f"## Signatures\n\n{signatures}\n\n## Files\n\n{files}\n"
    )


def _written(table: pd.DataFrame, titles: Iterable[str], form: str) -> str:
    """By tabulate: the first column to the left, the others to the right, all as they are."""
    align = ["left", *["right"] * (table.shape[1] - 1)]
    return table.to_markdown(
        index=False, headers=[*titles], tablefmt=form, colalign=align, disable_numparse=True
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|&])", r"\\\1", " ".join(text.split()))


def as_html(report: EvaluationReport) -> str:
    """A page that fits a phone and a desktop, in light and dark."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        report=report,
        families=score_table(report).groupby("family", sort=False),
        signature=report.evaluation.signature,
        legend=[*basis(report), _LEGEND],
        unavailable=unavailable(report),
        examples=_examples(report),
    )


def _examples(report: EvaluationReport) -> dict[str, list[dict[str, Any]]]:
    """The captions with the largest and the smallest gap to their groups, with the pictures."""
    said = report.evaluation.per_caption
    if not report.pictures or "GEG-Avg" not in said:
        return {}
    order = said.sort_values("GEG-Avg", ascending=False, kind="stable")
    half = min(_EXAMPLES, len(order) // 2)
    chosen = {"Most distinctive": order.head(half), "Least distinctive": order.tail(half)[::-1]}
    return {
        heading: [
            {
                "image": row["image_id"],
                "picture": _thumbnail(report.pictures[row["image_id"]]),
                "caption": row["caption"],
                "gap": number("GEG-Avg", row["GEG-Avg"]),
                "place": int(row["rank"]) + 1,
            }
            for row in rows.to_dict("records")
        ]
        for heading, rows in chosen.items()
    }


def _thumbnail(path: Path) -> str:
    """A `data:` address that is a small PNG itself."""
    picture, buffer = open_picture(path), io.BytesIO()
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    picture.quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


FORMATS: dict[str, Callable[[EvaluationReport], str]] = {
    ".json": as_json,
    ".md": as_markdown,
    ".html": as_html,
}
"""Ending of a report's file -> what writes it."""


def report_format(path: Path) -> Callable[[EvaluationReport], str]:
    """What writes a report file with this ending.

    Raises:
        ConfigError: nothing does.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path} has none of the endings of a report", f"end it in {', '.join(FORMATS)}"
        )
    return FORMATS[path.suffix.lower()]


def write_report(report: EvaluationReport, path: Path) -> None:
    """Write the report in the format of the file's ending; an old file is replaced whole.

    Raises:
        ConfigError: another ending than those of `FORMATS`.
        DataError: the file cannot be written.
    """
    text = report_format(path)(report)
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}", "choose another") from error
