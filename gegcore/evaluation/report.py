"""What `gegcore evaluate` found: as a table in the terminal, as JSON and as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gegcore.metrics.presentation import LOWER_IS_BETTER, families_of, interval, number, signed
from gegcore.metrics.presentation import MINUS
from gegcore import __version__
from gegcore.evaluation.image_ids import ImageId
from gegcore.evaluation.signatures import signature_line
from gegcore.evaluation.skipped import Skipped, some
from gegcore.metrics.evaluate import Evaluation
from gegcore.metrics.uncertainty import Difference

LOWER = "\N{DOWNWARDS ARROW}"

# Of captions from elsewhere nobody knows what they were rewarded by.
_HEADINGS = {"The CLIP of the reward": "CLIP, against the pictures"}


@dataclass(frozen=True)
class Source:
    """A file that was read."""

    name: str
    sha256: str


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of a captions file, perhaps beside those of another one for the same images.

    Attributes:
        evaluation, other: of the captions and of those they are compared with.
        differences: metric -> the first minus the second.
        captions, references, compared: the files.
        references_digest: of the references used, image after image.
        skipped: bad input that was left out.
        pictures: image id -> file of its picture, where pictures were given.
    """

    evaluation: Evaluation
    captions: Source
    references: Source
    references_digest: str
    other: Evaluation | None = None
    compared: Source | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    pictures: Mapping[ImageId, Path] = field(default_factory=dict)

    def signature(self, metric: str) -> str:
        """How a metric was computed, in one line."""
        return signature_line(metric, self.evaluation.signature, self.references_digest)


def headings(report: EvaluationReport) -> list[str]:
    """Of the columns of `lines`."""
    alone = ["Metric", "Value", "95 % interval"]
    if report.compared is None:
        return alone
    return [*alone, report.compared.name, "Difference", "95 % interval", "p"]


def lines(report: EvaluationReport) -> list[list[str]]:
    """The table of all metrics as text, n/a where one could not be computed.

    An arrow means that lower is better. A row of one cell is the heading of those that follow.
    """
    names = [*report.evaluation.metrics, *report.evaluation.missing]
    rows = []
    for heading, members in families_of(names).items():
        rows += [[_HEADINGS.get(heading, heading)], *(_line(report, name) for name in members)]
    return rows


def _line(report: EvaluationReport, name: str) -> list[str]:
    label = f"{name} {LOWER}" if name in LOWER_IS_BETTER else name
    found = report.evaluation.metrics.get(name)
    if found is None:
        return [label, "n/a", *[""] * (len(headings(report)) - 2)]
    row = [label, number(name, found["value"]), interval(name, *found["ci95"])]
    if report.other is not None:
        there = report.other.metrics.get(name)
        row.append(number(name, there["value"] if there else None))
        row += _difference(name, report.differences.get(name))
    return row


def _difference(name: str, found: Difference | None) -> list[str]:
    if found is None:
        return [number(name, None), "", ""]
    p_value = "< 0.001" if found.p_value < 0.001 else f"{found.p_value:.3f}"
    return [signed(name, found.value), interval(name, found.low, found.high), p_value]


def basis(report: EvaluationReport) -> list[str]:
    """How many captions, and what the intervals and differences are."""
    signature = report.evaluation.signature
    said = [
        f"{len(report.evaluation.per_caption):,} captions, one an image; {signature['interval']} "
        f"({signature['resamples']:,} resamples, seed {signature['seed']})."
    ]
    if report.compared is not None:
        said.append(
            f"Difference: {report.captions.name} minus {report.compared.name} on the same images, "
            "interval of the paired bootstrap, two-sided p of the permutation test."
        )
    return said


def unavailable(report: EvaluationReport) -> list[str]:
    """Why metrics are n/a, those of the same reason together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in report.evaluation.missing.items():
        reasons.setdefault(reason, []).append(name)
    return [f"n/a, {', '.join(names)}: {reason}." for reason, names in reasons.items()]


def remarks(report: EvaluationReport) -> list[str]:
    """Sentences below the table: how certain it is, what is missing, what was left out."""
    left_out = [
        f"Left out, {skipped.reason} ({len(skipped.items):,}): {some(skipped.items)}."
        for skipped in report.skipped
    ]
    return [*basis(report), *unavailable(report), *left_out]


def as_text(report: EvaluationReport) -> str:
    """For a terminal, which may know ASCII only."""
    rows = [
        [cell.replace(MINUS, "-").replace(LOWER, "(lower is better)") for cell in row]
        for row in lines(report)
    ]
    full = [headings(report), *(row for row in rows if len(row) > 1)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    shown = [_aligned(row, widths) for row in (headings(report), *rows)]
    rule = "-" * max(map(len, shown))
    return "\n".join([shown[0], rule, *shown[1:], "", *remarks(report)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    if len(row) == 1:
        return f"\n{row[0]}"
    cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def as_markdown(report: EvaluationReport) -> str:
    """Tables of scores and signatures."""
    columns = headings(report)
    rows = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    for row in lines(report):
        rows.append(row if len(row) > 1 else [f"**{row[0]}**", *[""] * (len(columns) - 1)])
    table = "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)
    legend = f"{LOWER}: lower is better."
    said = "\n".join(f"- {_escaped(sentence)}" for sentence in (*remarks(report), legend))
    signatures = "\n".join(f"- `{report.signature(name)}`" for name in report.evaluation.metrics)
    files = "\n".join(
        f"- {role}: {_escaped(source.name)}, SHA-256 `{source.sha256}`"
        for role, source in sources(report)
    )
    return (
        f"# Captions of {_escaped(report.captions.name)}\n\n{table}\n\n{said}\n\n"
        f"## Signatures\n\n{signatures}\n\n## Files\n\n{files}\n"
    )


def _escaped(text: str) -> str:
    for mark in "\\`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sources(report: EvaluationReport) -> list[tuple[str, Source]]:
    """The files that were read, by what they are."""
    read = [("captions", report.captions), ("references", report.references)]
    return [*read, ("compared with", report.compared)] if report.compared else read


def as_json(report: EvaluationReport) -> str:
    """Everything, values per caption included. A value that is no number is null."""
    stored = {
        "gegcore": __version__,
        "files": {role: source.__dict__ for role, source in sources(report)},
        "metrics": _with_signatures(report, report.evaluation),
        "missing": report.evaluation.missing,
        "compared_metrics": _with_signatures(report, report.other) if report.other else None,
        "differences": {
            name: {
                "value": found.value,
                "ci95": [found.low, found.high],
                "p_value": found.p_value,
                "n": found.n,
            }
            for name, found in report.differences.items()
        },
        "skipped": [
            {"reason": reason, "count": len(items), "items": list(items)}
            for reason, items in report.skipped
        ],
        "signature": {**report.evaluation.signature, "references": report.references_digest},
        "per_caption": report.evaluation.per_caption.to_dict("records"),
    }
    return json.dumps(_plain(stored), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _with_signatures(report: EvaluationReport, found: Evaluation) -> dict[str, Any]:
    return {
        name: {**metric, "signature": report.signature(name)}
        for name, metric in found.metrics.items()
    }


def _plain(value: Any) -> Any:
    """The same with Python's own numbers, and None for NaN, which is not JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
