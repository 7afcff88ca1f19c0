"""What `gegcore evaluate` found: as text, JSON, Markdown, and one HTML file that loads nothing."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from PIL import Image

from caption_evaluation.images import READING, ImageId, open_picture
from gegcore import __version__
from gegcore.errors import some
from gegcore.metrics.evaluate import Evaluation
from gegcore.metrics.presentation import LOWER, MINUS, families_of, interval, label, number, signed
from gegcore.metrics.uncertainty import Difference

_OF_EMBEDDINGS = re.compile(r"CLIP|GEG|R@")
_OF_GROUPS, _OF_WORD_GROUPS = re.compile(r"GEG|bag"), re.compile(r"CIDErBtw|DisWordRate")

_EXAMPLES, _THUMBNAIL, _COLOURS = 6, 220, 128

# What a terminal or a browser obeys instead of showing it: controls, and marks of direction.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# Of captions from elsewhere nobody knows what they were rewarded by.
_HEADINGS = {"The CLIP of the reward": "CLIP, against the pictures"}


@dataclass(frozen=True)
class EvaluationReport:
    """Scores of a captions file, perhaps beside those of another one for the same images.

    Attributes:
        evaluation, other: of the captions and of those they are compared with.
        files: captions, references and, if there is one, "compared with" -> {"name", "sha256"}.
        references_digest: of the references used, image after image.
        skipped: what was wrong with input that was left out -> where it stood.
        pictures: image id -> file of its picture, where pictures were given.
        differences: metric -> the first minus the second.
        hints: what may be wrong with the texts, though it was scored.
    """

    evaluation: Evaluation
    files: Mapping[str, Mapping[str, str]]
    references_digest: str
    skipped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pictures: Mapping[ImageId, Path] = field(default_factory=dict)
    other: Evaluation | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    hints: Sequence[str] = ()

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of the captions, and of those that they are compared with."""
        return [each for each in (self.evaluation, self.other) if each is not None]

    @property
    def compared(self) -> str | None:
        """Name of the captions they are compared with."""
        return self.files["compared with"]["name"] if self.other else None

    def signature(self, metric: str) -> str:
        """How a metric was computed: all that must be alike to compare, as sacreBLEU prints it."""
        found = self.evaluation.signature
        # What its own program says: of R@5 under R@K, of BLEU-4 under BLEU.
        names = (metric, re.sub(r"@\d+", "@K", metric), re.sub(r"-\d+$", "", metric))
        parts = [metric, *[str(found[name]) for name in names if name in found][:1]]
        of_embeddings, of_groups = _OF_EMBEDDINGS.search(metric), _OF_GROUPS.search(metric)
        if not of_embeddings:
            parts.append(f"tok:{found.get('tokenizer')}")
        if of_embeddings or of_groups:
            parts += [f"pictures:{READING}", f"clip:{found.get('clip')}@{found.get('clip_digest')}"]
        if of_groups:
            parts.append(f"K:{found.get('K')}")
        if _OF_WORD_GROUPS.search(metric):
            parts.append(f"groups:{found.get('word_groups')}")
        ends = f"N:{found['captions']}", f"refs:{self.references_digest}", f"gegcore:{__version__}"
        return "|".join([*parts, *ends])


def score_table(report: EvaluationReport) -> pd.DataFrame:
    """All metrics as text, by family, n/a where one could not be computed.

    Columns: family, those of `headings`, and `differs` (p below 0.05).
    """
    names = [*report.evaluation.metrics, *report.evaluation.missing]
    return pd.DataFrame(
        {"family": _HEADINGS.get(family, family), "metric": label(name), **_scores(report, name)}
        for family, members in families_of(names).items()
        for name in members
    )


def _scores(report: EvaluationReport, name: str) -> dict[str, str]:
    row = dict.fromkeys(("value", "interval", "other", "difference", "range", "p", "differs"), "")
    found = report.evaluation.metrics.get(name)
    if found is None:
        return row | {"value": "n/a"}
    row |= {"value": number(name, found["value"]), "interval": interval(name, *found["ci95"])}
    if report.other is None or name not in report.differences:
        return row
    value, low, high, p, _ = report.differences[name]
    return row | {
        "other": number(name, report.other.metrics[name]["value"]),
        "difference": signed(name, value),
        "range": interval(name, low, high),
        "p": "< 0.001" if p < 0.001 else f"{p:.3f}",
        "differs": "yes" if p < 0.05 else "",
    }


def headings(report: EvaluationReport) -> dict[str, str]:
    """Column of `score_table` -> what stands above it."""
    titles = {"metric": "Metric", "value": "Value", "interval": "95 % interval"}
    if report.compared is not None:
        titles |= {"other": report.compared, "difference": "Difference"}
        titles |= {"range": "95 % interval", "p": "p"}
    return titles


def remarks(report: EvaluationReport, left_out: bool = True) -> list[str]:
    """Sentences below the table: how certain it is, what is missing, what was left out."""
    signature = report.evaluation.signature
    said = [
        f"{signature['captions']:,} captions, one an image; {signature['interval']} "
        f"({signature['resamples']:,} resamples, seed {signature['seed']}). Words: "
        f"{signature['tokenizer']}."
    ]
    if report.compared is not None:
        said.append(
            f"Difference: {report.files['captions']['name']} minus {report.compared} on the same "
            "images, interval of the paired bootstrap, two-sided p of the permutation test."
        )
    said += [f"{hint}." for hint in report.hints]
    reasons: dict[str, list[str]] = {}
    for name, reason in report.evaluation.missing.items():
        reasons.setdefault(reason, []).append(name)
    said += [f"n/a, {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    for reason, items in report.skipped.items() if left_out else ():
        said.append(f"Left out, {reason} ({len(items):,}): {some(items)}.")
    return said


def as_text(report: EvaluationReport) -> str:
    """For a terminal, which may know ASCII only."""
    table = score_table(report).replace({MINUS: "-", LOWER: "(lower is better)"}, regex=True)
    table["metric"] = table["metric"].map(visible)
    titles, width = headings(report), table["metric"].str.len().max()
    titles = {name: visible(title) for name, title in titles.items()}
    table["metric"] = table["metric"].str.ljust(width)
    titles["metric"] = titles["metric"].ljust(width)
    shown = table.to_string(columns=[*titles], header=[*titles.values()], index=False)
    head, *lines = shown.splitlines()
    parts, rest = [head, "-" * len(head)], iter(lines)
    for family, members in table.groupby("family", sort=False):
        parts += ["", str(family), *islice(rest, len(members))]
    return "\n".join([*map(str.rstrip, parts), "", *map(visible, remarks(report))])


def as_markdown(report: EvaluationReport) -> str:
    """Tables of scores and signatures."""
    return _filled("report.md.j2", report, titles=headings(report), remarks=remarks(report))


def as_html(report: EvaluationReport) -> str:
    """A page that fits a phone and a desktop, in light and dark."""
    said, examples = report.evaluation.per_caption, {}
    if report.pictures and "GEG-Avg" in said:
        order = said.sort_values("GEG-Avg", ascending=False, kind="stable").to_dict("records")
        half = min(_EXAMPLES, len(order) // 2)
        examples = {"Most": order[:half], "Least": order[::-1][:half]}
    legend = remarks(report, left_out=False)
    return _filled("report.html.j2", report, legend=legend, examples=examples)


def _filled(template: str, report: EvaluationReport, **values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {"escaped": escaped, "thumbnail": _thumbnail}
    return environment.get_template(template).render(
        report=report,
        title=f"Captions of {report.files['captions']['name']}",
        families=score_table(report).groupby("family", sort=False),
        number=number,
        LOWER=LOWER,
        **values,
    )


def visible(text: str) -> str:
    """With control characters as Python writes them: \\x1b."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def escaped(text: str) -> str:
    """For Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|&~$])", r"\\\1", " ".join(text.split()))


def _thumbnail(path: Path) -> str:
    """A `data:` address that is a small PNG itself."""
    picture, buffer = open_picture(path), io.BytesIO()
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    picture.quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def as_csv(report: EvaluationReport) -> str:
    """For programs: a row a captions file and metric."""
    names = [report.files["captions"]["name"], report.compared]
    rows = [
        {"system": name, "metric": metric, "value": found["value"]}
        | {"low": found["ci95"][0], "high": found["ci95"][1], "n": found["n"]}
        for name, each in zip(names, report.evaluations, strict=False)
        for metric, found in each.metrics.items()
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def as_json(report: EvaluationReport) -> str:
    """Everything, values per caption included. A value that is no number is null."""
    metrics, compared = (
        {name: {**found, "signature": report.signature(name)} for name, found in each.items()}
        for each in (report.evaluation.metrics, report.other.metrics if report.other else {})
    )
    stored = {
        "gegcore": __version__,  # First: `outputs` knows a report by it.
        "files": report.files,
        "metrics": metrics,
        "missing": report.evaluation.missing,
        "compared_metrics": compared or None,
        "differences": {
            name: {"value": value, "ci95": [low, high], "p_value": p_value, "n": n}
            for name, (value, low, high, p_value, n) in report.differences.items()
        },
        "skipped": [
            {"reason": reason, "count": len(items), "items": items}
            for reason, items in report.skipped.items()
        ],
        "hints": list(report.hints),
        "signature": {**report.evaluation.signature, "references": report.references_digest},
        "per_caption": report.evaluation.per_caption.to_dict("records"),
    }
    finite = json.loads(json.dumps(stored), parse_constant=lambda _: None)
    return json.dumps(finite, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
