"""What `gegcore evaluate` found: the table of scores, sentences about it, and all of it as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gegcore import __version__
from gegcore.evaluation.image_ids import ImageId
from gegcore.evaluation.signatures import signature_line
from gegcore.evaluation.skipped import Skipped, some
from gegcore.metrics.evaluate import Evaluation
from gegcore.metrics.presentation import families_of, interval, label, number, signed
from gegcore.metrics.uncertainty import Difference

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

    @property
    def sources(self) -> dict[str, Source]:
        """The files that were read, by what they are."""
        read = {"captions": self.captions, "references": self.references}
        return {**read, "compared with": self.compared} if self.compared else read

    def signature(self, metric: str) -> str:
        """How a metric was computed, in one line."""
        return signature_line(metric, self.evaluation.signature, self.references_digest)


def headings(report: EvaluationReport) -> dict[str, str]:
    """Column of `score_table` -> what stands above it."""
    alone = {"metric": "Metric", "value": "Value", "interval": "95 % interval"}
    if report.compared is None:
        return alone
    compared = {"other": report.compared.name, "difference": "Difference"}
    return {**alone, **compared, "range": "95 % interval", "p": "p"}


def score_table(report: EvaluationReport) -> pd.DataFrame:
    """All metrics as text, by family, n/a where one could not be computed.

    Columns: family, those of `headings`, and `differs` (p below 0.05).
    """
    names = [*report.evaluation.metrics, *report.evaluation.missing]
    rows = [
        {"family": _HEADINGS.get(family, family), "metric": label(name), **_scores(report, name)}
        for family, members in families_of(names).items()
        for name in members
    ]
    return pd.DataFrame(rows, columns=["family", *headings(report), "differs"]).fillna("")


def _scores(report: EvaluationReport, name: str) -> dict[str, Any]:
    found = report.evaluation.metrics.get(name)
    if found is None:
        return {"value": "n/a"}
    row = {"value": number(name, found["value"]), "interval": interval(name, *found["ci95"])}
    if report.other is None or name not in report.differences:
        return row
    change, p = report.differences[name], report.differences[name].p_value
    return row | {
        "other": number(name, report.other.metrics[name]["value"]),
        "difference": signed(name, change.value),
        "range": interval(name, change.low, change.high),
        "p": "< 0.001" if p < 0.001 else f"{p:.3f}",
        "differs": "yes" if p < 0.05 else "",
    }


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


def as_json(report: EvaluationReport) -> str:
    """Everything, values per caption included. A value that is no number is null."""
    stored = {
        "gegcore": __version__,
        "files": {role: asdict(source) for role, source in report.sources.items()},
        "metrics": _with_signatures(report, report.evaluation),
        "missing": report.evaluation.missing,
        "compared_metrics": _with_signatures(report, report.other) if report.other else None,
        "differences": {
            name: {"value": value, "ci95": [low, high], "p_value": p_value, "n": n}
            for name, (value, low, high, p_value, n) in report.differences.items()
        },
        "skipped": [
            {"reason": reason, "count": len(items), "items": items}
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
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
