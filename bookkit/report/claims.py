"""The claims ledger: each claim of the paper, our test of it, a verdict computed from runs."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bookkit.report.page import Html, interval, number, signed
from bookkit.report.paper import paper_row
from bookkit.report.results import PER_IMAGE, Finished, Results, common_seeds
from gegcore.errors import ConfigError
from gegcore.metrics.uncertainty import Interval, Statistic, bootstrap, paired_difference

LEDGER = Path(__file__).resolve().parents[2] / "book" / "claims.yml"
Verdict = Literal["holds", "does not hold", "not decided"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperNumbers(_Section):
    """Where the paper prints the numbers: the value of `metric` in two rows of one table."""

    table: int
    metric: str
    of: str
    over: str

    def values(self) -> tuple[float, float]:
        """Of the row that the claim is about, and of the one it is compared with.

        Raises:
            ConfigError: no such table, row or metric.
        """
        rows = [paper_row(self.table, name) for name in (self.of, self.over)]
        for row in rows:
            if self.metric not in row.values:
                raise ConfigError(
                    f"Table {self.table} of the paper has no {self.metric} of {row.name}",
                    f"use one of: {', '.join(row.values)}",
                )
        return rows[0].values[self.metric], rows[1].values[self.metric]


class ClaimTest(_Section):
    """What we compare: `metric` of objective `of` with that of objective `over`.

    Attributes:
        expect: "higher" or "lower": the sign of the difference. "at_least" or "at_most": the ratio
            of both against `share`.
    """

    metric: str
    of: str
    over: str
    expect: Literal["higher", "lower", "at_least", "at_most"]
    share: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> ClaimTest:
        if self.metric not in PER_IMAGE:
            raise ValueError(f"metric '{self.metric}' is not one of {', '.join(PER_IMAGE)}")
        if self.expect.startswith("at_") != (self.share is not None):
            raise ValueError("'share' belongs to 'at_least' and 'at_most', and to these only")
        return self


class Claim(_Section):
    """One claim; without a test, `untested` says why."""

    id: str
    claim: str
    where: str
    paper: PaperNumbers | None = None
    test: ClaimTest | None = None
    untested: str = ""

    @model_validator(mode="after")
    def _one_of(self) -> Claim:
        if (self.test is None) == (not self.untested):
            raise ValueError(f"claim '{self.id}' needs either 'test' or 'untested'")
        return self


class Finding(_Section):
    """Something in the paper that does not fit together."""

    where: str
    printed: str
    finding: str


class Ledger(_Section):
    """`book/claims.yml`."""

    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A claim with our numbers and the verdict that follows from them.

    Attributes:
        ours: difference or ratio with its 95 % paired bootstrap interval; None if not computed.
        values: our metric of both sides.
        verdict: see `judge`.
        reason: why, in words.
    """

    claim: Claim
    ours: Interval | None
    values: tuple[float, float] | None
    verdict: Verdict
    reason: str


def load_ledger(path: Path | str = LEDGER) -> Ledger:
    """Read and check the ledger.

    Raises:
        ConfigError: missing or malformed file, unknown field, metric, table or row, an id twice.
    """
    path = Path(path)
    try:
        ledger = Ledger.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", "restore it from git") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name} is not valid YAML: {error}", "mend the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path.name}, {field}: {first['msg']}", "mend the file") from error
    ids = [claim.id for claim in ledger.claims]
    for twice in sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError(f"{path.name} has two claims '{twice}'", "give each its own id")
    for claim in ledger.claims:
        if claim.paper is not None:
            claim.paper.values()
    return ledger


def judge(claim: Claim, results: Results, model: str) -> Judged:
    """Compute our numbers for a claim, and the verdict.

    Images are resampled, the same for both sides; each image counts with its mean over the seeds
    that both objectives have. "holds": the 95 % interval lies wholly on the claimed side and every
    seed on its own agrees in sign. "does not hold": both on the other side. Otherwise, or without
    runs, "not decided".
    """
    test = claim.test
    if test is None:
        return Judged(claim, None, None, "not decided", claim.untested)
    of, over = results.find(model, test.of), results.find(model, test.over)
    pair = common_seeds(of, over) if of is not None and over is not None else None
    if of is None or over is None or pair is None:
        absent = test.of if of is None else test.over
        return Judged(claim, None, None, "not decided", f"no finished run of '{absent}'")
    if any(test.metric not in frame for frame in pair):
        return Judged(claim, None, None, "not decided", f"the runs have no {test.metric}")
    a, b = (frame[test.metric].to_numpy() for frame in pair)
    found = _compare(test, a, b, of.resamples)
    margin = test.share if test.share is not None else 0.0
    sign = 1 if test.expect in ("higher", "at_least") else -1
    seeds = [sign * (value - margin) for value in _by_seed(test, of, over)]
    low, high = sorted((sign * (found.low - margin), sign * (found.high - margin)))
    verdict, reason = _verdict(low, high, seeds)
    return Judged(claim, found, (float(a.mean()), float(b.mean())), verdict, reason)


def _verdict(low: float, high: float, seeds: list[float]) -> tuple[Verdict, str]:
    """From an interval and the seeds, all oriented so that the claim says: above 0."""
    several = f", and so says each of {len(seeds)} seeds" if len(seeds) > 1 else ""
    if low > 0:
        if min(seeds) > 0:
            return "holds", f"the interval is on the claimed side{several}"
        return "not decided", "the seeds disagree"
    if high < 0:
        if max(seeds) < 0:
            return "does not hold", f"the interval is on the other side{several}"
        return "not decided", "the seeds disagree"
    return "not decided", "the interval holds both possibilities"


def _compare(test: ClaimTest, a: np.ndarray, b: np.ndarray, resamples: int) -> Interval:
    if test.share is None:
        change = paired_difference(a, b, resamples=resamples)
        return Interval(change.value, change.low, change.high, change.n)
    ratio = Statistic(np.stack([a, b], axis=1).astype(np.float64), _ratio)
    return bootstrap({"ratio": ratio}, resamples=resamples)["ratio"]


def _ratio(sums: np.ndarray) -> np.ndarray:
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def _by_seed(test: ClaimTest, of: Finished, over: Finished) -> list[float]:
    """The difference or ratio of each seed that both have."""
    values = []
    for seed in (seed for seed in of.seeds if seed in over.seeds):
        frames: list[pd.DataFrame] = [s.per_seed[s.seeds.index(seed)] for s in (of, over)]
        a, b = (float(frame[test.metric].mean()) for frame in frames)
        values.append(a - b if test.share is None else (a / b if b else float("nan")))
    return values


def judge_all(results: Results, model: str, ledger: Ledger | None = None) -> list[Judged]:
    """Every claim of the ledger, judged by the runs of one model."""
    return [judge(claim, results, model) for claim in (ledger or load_ledger()).claims]


def claims_page(judged: list[Judged]) -> Html:
    """The ledger as a list: verdict, claim, the paper's numbers, ours, and why."""
    counts = {name: sum(entry.verdict == name for entry in judged) for name in get_args(Verdict)}
    said = ", ".join(f"<b>{count}</b> {name}" for name, count in counts.items())
    note = "Brackets: 95 % paired bootstrap intervals over test images."
    return Html(f"<p>{said}. {note}</p>" + "".join(map(_claim_html, judged)))


def _claim_html(entry: Judged) -> str:
    kind = {"holds": "geg-pill geg-holds", "does not hold": "geg-pill geg-fails"}
    numbers = "".join(
        f"<span>{name}: {html.escape(text)}</span>"
        for name, text in (("paper", _paper_text(entry.claim)), ("here", _our_text(entry)))
        if text
    )
    why = html.escape(f"{entry.claim.where}. Verdict: {entry.reason}.")
    return (
        f'<div class="geg-claim"><div><span class="{kind.get(entry.verdict, "geg-pill")}">'
        f"{entry.verdict}</span></div><div><p><b>{html.escape(entry.claim.claim)}</b></p>"
        f'<p class="geg-numbers">{numbers}</p><p class="geg-why">{why}</p></div></div>'
    )


def findings_page(ledger: Ledger) -> Html:
    """What does not fit together in the paper itself, as a list."""
    items = "".join(
        f"<li><b>{html.escape(found.where)}</b>: {html.escape(found.printed)}. "
        f"{html.escape(found.finding)}</li>"
        for found in ledger.findings
    )
    return Html(f"<ul>{items}</ul>")


def _paper_text(claim: Claim) -> str:
    if claim.paper is None:
        return ""
    of, over = claim.paper.values()
    name = claim.paper.metric
    return f"{name} {number(name, over)} \N{RIGHTWARDS ARROW} {number(name, of)}"


def _our_text(entry: Judged) -> str:
    test = entry.claim.test
    if entry.ours is None or entry.values is None or test is None:
        return ""
    name, (of, over) = test.metric, entry.values
    if test.share is None:
        low, high = entry.ours.low, entry.ours.high
        change = f"{signed(name, entry.ours.value)} {interval(name, low, high)}"
    elif not np.isfinite(entry.ours.value):
        change = "no ratio to 0"
    else:
        ratio, least, most = (f"{100 * share:.0f}" for share in entry.ours[:3])
        change = f"{ratio} % [{least}, {most}]"
    return f"{name} {number(name, over)} \N{RIGHTWARDS ARROW} {number(name, of)}, {change}"
