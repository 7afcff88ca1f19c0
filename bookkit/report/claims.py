"""The claims ledger: each claim of the paper, our test of it, a verdict computed from runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bookkit.report.page import interval, number, signed
from bookkit.report.paper import paper_value
from gegcore.errors import ConfigError, DataError
from gegcore.metrics.uncertainty import Interval, Statistic, bootstrap, paired_difference

LEDGER = Path(__file__).resolve().parents[2] / "book" / "claims.yml"
ARROW = "\N{RIGHTWARDS ARROW}"
Verdict = Literal["holds", "does not hold", "not decided"]

# By the CLIP of the reward, or, with its label behind, by a judge of the profile.
_PER_IMAGE = re.compile(r"(CIDEr|ROUGE-L|listener R@1)|(R@1|R@5|R@10|GEG-Avg|GEG-Min)( .+)?")


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
        of, over = (paper_value(self.table, row, self.metric) for row in (self.of, self.over))
        return of, over


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
        if not _PER_IMAGE.fullmatch(self.metric):
            raise ValueError(f"metric '{self.metric}' is no mean over images: {_PER_IMAGE.pattern}")
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

    @property
    def printed(self) -> str:
        """The paper's two numbers, if it prints any."""
        if self.claim.paper is None:
            return ""
        (of, over), name = self.claim.paper.values(), self.claim.paper.metric
        return f"{name} {number(name, over)} {ARROW} {number(name, of)}"

    @property
    def measured(self) -> str:
        """Our two numbers and their difference or ratio, if they were computed."""
        test = self.claim.test
        if self.ours is None or self.values is None or test is None:
            return ""
        name, (of, over), (value, low, high, _) = test.metric, self.values, self.ours
        if test.share is None:
            change = f"{signed(name, value)} {interval(name, low, high)}"
        elif np.isfinite(value):
            change = f"{100 * value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
        else:
            change = "no ratio to 0"
        return f"{name} {number(name, over)} {ARROW} {number(name, of)}, {change}"


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
            claim.paper.values()  # raises if the paper prints no such number
    return ledger


def judge(claim: Claim, scores: pd.DataFrame, resamples: int = 2_000) -> Judged:
    """Compute our numbers for a claim, and the verdict.

    Images are resampled, the same for both sides; each image counts with its mean over the seeds
    that both objectives have. "holds": the 95 % interval lies wholly on the claimed side and every
    seed on its own agrees in sign. "does not hold": both on the other side. Otherwise, or without
    runs, "not decided".

    Args:
        scores: of one model, a row an objective, seed and image: `Runs.scores`.

    Raises:
        DataError: both sides captioned different images.
    """
    test = claim.test
    if test is None:
        return Judged(claim, None, None, "not decided", claim.untested)
    if absent := [name for name in (test.of, test.over) if name not in set(scores["objective"])]:
        why = f"no values per caption of a run of '{absent[0]}'"
        return Judged(claim, None, None, "not decided", why)
    if test.metric not in scores or scores[test.metric].isna().all():
        return Judged(claim, None, None, "not decided", f"the runs have no {test.metric}")
    of, over = by_image(scores, test.metric, test.of, test.over)
    if of.empty:
        return Judged(claim, None, None, "not decided", "no seed in common")
    a, b = of.mean(axis=1).to_numpy(), over.mean(axis=1).to_numpy()
    found = _compare(test, a, b, resamples)
    margin = test.share if test.share is not None else 0.0
    sign = 1 if test.expect in ("higher", "at_least") else -1
    each = of.mean() - over.mean() if test.share is None else of.mean() / over.mean()
    low, high = sorted((sign * (found.low - margin), sign * (found.high - margin)))
    verdict, reason = _verdict(low, high, [sign * (value - margin) for value in each])
    return Judged(claim, found, (float(a.mean()), float(b.mean())), verdict, reason)


def by_image(
    scores: pd.DataFrame, metric: str, of: str, over: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A metric of two objectives: a row an image, a column a seed that both have.

    Raises:
        DataError: they captioned different images.
    """
    sides = [
        scores[scores["objective"] == name].pivot(index="image_id", columns="seed", values=metric)
        for name in (of, over)
    ]
    shared = sides[0].columns.intersection(sides[1].columns)
    a, b = (side[shared] for side in sides)
    if not a.index.equals(b.index) or a.isna().any(axis=None) or b.isna().any(axis=None):
        raise DataError(
            f"{of} and {over} captioned different test images",
            "run `make book` to bring both up to date",
        )
    return a, b


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
