"""The claims ledger as it is written: `book/claims.yml`, read and checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bookkit.report.page import number
from bookkit.report.paper import paper_value
from gegcore.errors import ConfigError
from gegcore.training.config import OBJECTIVES

LEDGER = Path(__file__).resolve().parents[2] / "book" / "claims.yml"
ARROW = "\N{RIGHTWARDS ARROW}"

# By the CLIP of the reward, by a judge, whose label stands behind, or by every judge there is.
_PER_IMAGE = re.compile(r"(CIDEr|ROUGE-L|listener R@1)|(R@1|R@5|R@10|GEG-Avg|GEG-Min)( .+)?")
JUDGES = " judges"
"""Behind a metric: by every judge of the runs, each a test of its own."""


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
        at_cider: if given, `of` is read off the frontier of its weights at this share of the CIDEr
            of `over`, where the frontier begins; see `intervals.gain_at`.
        captioners: "all": by their mean. "each": by each one's own interval. "best": only the one
            with the highest CIDEr after +SCST.
        least: captioners that must agree; without it six of seven, or all of fewer than seven.
    """

    metric: str
    of: str
    over: str
    expect: Literal["higher", "lower", "at_least", "at_most"]
    share: float | None = None
    at_cider: float | None = Field(None, gt=0, lt=1)
    captioners: Literal["all", "each", "best"] = "all"
    least: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> ClaimTest:
        if not _PER_IMAGE.fullmatch(self.metric):
            raise ValueError(f"metric '{self.metric}' is no mean over images: {_PER_IMAGE.pattern}")
        if self.expect.startswith("at_") != (self.share is not None):
            raise ValueError("'share' belongs to 'at_least' and 'at_most', and to these only")
        for name in (self.of, self.over):
            if name not in OBJECTIVES:
                raise ValueError(f"there is no objective '{name}'")
        return self


class Correlation(_Section):
    """Do captioners that rank high by one metric rank high by the other, after `objective`?"""

    objective: str
    metrics: tuple[str, str]


class Retrievers(_Section):
    """R@1 of annotators' captions: by the CLIP of the reward, minus that by the judge so called."""

    judge: str


class LastEpoch(_Section):
    """CIDEr-D on validation after the last epoch: of `of` at most this share of that of `over`.

    Of a reward under which the rule for the epoch may keep an early one, or the start.
    """

    of: str
    over: str
    share: float = Field(gt=0, lt=1)


class Claim(_Section):
    """One claim and its tests, all of which it needs; without any, `untested` says why.

    `page` is the notebook, in `notebooks/`, that shows most of its numbers.
    """

    id: str
    claim: str
    where: str
    page: str = Field("05_results", pattern=r"\d\d_\w+")
    paper: PaperNumbers | None = None
    tests: tuple[ClaimTest, ...] = Field((), alias="test")
    correlation: Correlation | None = None
    retrievers: Retrievers | None = None
    last_epoch: LastEpoch | None = None
    untested: str = ""

    @model_validator(mode="before")
    @classmethod
    def _one_test(cls, found: Any) -> Any:
        if isinstance(found, dict) and isinstance(found.get("test"), dict):
            return {**found, "test": [found["test"]]}
        return found

    @model_validator(mode="after")
    def _one_of(self) -> Claim:
        kinds: dict[str, Any] = {
            "test": self.tests,
            "correlation": self.correlation,
            "untested": self.untested,
        }
        kinds |= {"retrievers": self.retrievers, "last_epoch": self.last_epoch}
        if sum(map(bool, kinds.values())) != 1:
            one_of = ", ".join(f"'{kind}'" for kind in kinds)
            raise ValueError(f"claim '{self.id}' needs one of {one_of}")
        return self

    @property
    def printed(self) -> str:
        """The paper's two numbers, if it prints any."""
        if self.paper is None:
            return ""
        (of, over), name = self.paper.values(), self.paper.metric
        return f"{name} {number(name, over)} {ARROW} {number(name, of)}"


class Finding(_Section):
    """Something in the paper that does not fit together."""

    where: str
    printed: str
    finding: str


class Ledger(_Section):
    """`book/claims.yml`."""

    claims: tuple[Claim, ...]
    findings: tuple[Finding, ...] = ()


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
