"""What a verdict rests on: the numbers of one test, and a judged claim; as text and as tables."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bookkit.report.intervals import Effect
from bookkit.report.ledger import ARROW, Claim, ClaimTest
from bookkit.report.page import number, signed
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import KEPT_START
from gegcore.training.config import OBJECTIVES

Verdict = Literal["holds", "fails", "undecided", "guaranteed"]


def spread(metric: str, effect: Effect, percent: bool = False) -> str:
    """A difference with its interval, and how far the seeds are apart; or a ratio, in per cent."""
    by, name, unit = (100.0, "%", " %") if percent else (1.0, metric, "")
    show = number if percent else signed
    low, high = (show(name, by * end) for end in (effect.low, effect.high))
    said = f"{show(name, by * effect.value)}{unit} [{low}, {high}]"
    if len(effect.seeds) > 1:
        least, most = (show(name, by * end) for end in (min(effect.seeds), max(effect.seeds)))
        said += f"; seeds {least} to {most}, sd {number(name, by * effect.sd)}"
    return said


@dataclass(frozen=True)
class Found:
    """One test, by one metric, with the runs of one profile.

    Attributes:
        test: its metric is that of one judge, not of all.
        effects: captioner -> difference or ratio.
        mean: of all captioners.
        values: captioner -> metric of both sides.
        kept: captioner -> how many of the runs kept the model that they started from.
    """

    test: ClaimTest
    profile: str
    effects: Mapping[str, Effect]
    mean: Effect
    values: Mapping[str, tuple[float, float]]
    kept: Mapping[str, int]
    verdict: Verdict
    reason: str

    def claimed(self, value: float) -> bool:
        """Whether a value is on the claimed side."""
        return self._beyond(value) > 0

    def against(self, effect: Effect) -> bool:
        """Whether an interval lies wholly on the other side."""
        return self._beyond(effect.low) < 0 and self._beyond(effect.high) < 0

    def agree(self, effect: Effect) -> bool:
        """Whether an interval lies wholly on the claimed side."""
        return self.claimed(effect.low) and self.claimed(effect.high)

    def _beyond(self, value: float) -> float:
        margin = self.test.share if self.test.share is not None else 0.0
        return value - margin if self.test.expect in ("higher", "at_least") else margin - value

    @property
    def seeds(self) -> int:
        """Of the captioner that has fewest."""
        return min(len(effect.seeds) for effect in self.effects.values())

    def said(self, effect: Effect) -> str:
        """A difference or ratio with its interval and its spread over seeds."""
        name = self.test.metric
        if not math.isfinite(effect.value):
            return "not reached" if self.test.at_cider else "no ratio to 0"
        return spread(name, effect, percent=self.test.share is not None)

    @property
    def measured(self) -> str:
        """The means of all captioners, with what they rest on."""
        of, over = (np.mean([pair[i] for pair in self.values.values()]) for i in (0, 1))
        name, test = self.test.metric, self.test
        sides = f"{OBJECTIVES[test.over].label} {number(name, float(over))} {ARROW} "
        sides += f"{OBJECTIVES[test.of].label} {number(name, float(of))}"
        at = f" at {100 * test.at_cider:.0f} % of CIDEr" if test.at_cider else ""
        count = [len(effect.seeds) for effect in self.effects.values()]
        each = plural(max(count), "seed")
        each = f"{min(count)} to {each}" if min(count) < max(count) else each
        rests = f"{plural(len(self.effects), 'captioner')}, {each} each"
        return (
            f"{name}: {sides}; {self.said(self.mean)}{at}; {rests}, {self.mean.families} "
            f"families; profile {self.profile}"
        )


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict, why, and the numbers that it follows from, in words.

    Attributes:
        beside: what other profiles say of it.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    found: tuple[Found, ...] = ()
    measured: str = ""
    beside: str = ""

    @property
    def runs(self) -> int:
        """Pairs of runs that were compared."""
        return sum(len(effect.seeds) for one in self.found for effect in one.effects.values())


def told(entry: Judged) -> str:
    """A claim in Markdown: verdict, why, the paper's numbers and ours, and where more of it is."""
    claim = entry.claim
    title = claim.page.partition("_")[2].replace("_", " ")
    lines = [
        html.escape(f"**{claim.claim.strip()}.** {claim.where}.", quote=False),
        f"**{entry.verdict}**: {entry.reason}",
        *([f"paper: {claim.printed}"] if claim.printed else []),
        *(f"here: {line}" for line in entry.measured.splitlines()),
        *([entry.beside] if entry.beside else []),
        f"the page: [{title}]({claim.page}.html)",
    ]
    return "\n  - ".join([f"- {lines[0]}", *lines[1:]])


def details(judged: Sequence[Judged]) -> pd.DataFrame:
    """A row a claim, metric and captioner: numbers, interval, seeds, on which side it lies.

    A captioner has `KEPT_START` behind it where a run kept the model that it started from, and the
    number of these runs.
    """
    rows = []
    for entry in judged:
        for one in entry.found:
            for model, effect in one.effects.items():
                mark = f" {KEPT_START}{one.kept[model]}" if one.kept[model] else ""
                of, over = (number(one.test.metric, value) for value in one.values[model])
                side = "other side" if one.against(effect) else "both sides"
                side = "claimed side" if one.agree(effect) else side
                name = MODEL_NAMES.get(model, model) + mark
                shown = f"{over} {ARROW} {of}, {one.said(effect)}"
                rows.append((entry.claim.id, one.test.metric, name, shown, side))
    return pd.DataFrame(rows, columns=["claim", "metric", "captioner", "numbers", "interval"])


def counted(judged: Sequence[Judged]) -> str:
    """How many claims hold, fail, are undecided or guaranteed, as a sentence."""
    said = {"holds": "hold", "fails": "fail", "undecided": "are undecided"}
    said["guaranteed"] = "are guaranteed by how runs are rewarded or selected"
    each: list[str] = [entry.verdict for entry in judged]
    counts = {words: each.count(name) for name, words in said.items()}
    shown = [f"{n} {words}" for words, n in counts.items() if n or words in ("hold", "fail")]
    return f"Of {plural(len(judged), 'claim')}, {', '.join(shown[:-1])} and {shown[-1]}."


def plural(count: int, name: str) -> str:
    """Say `1 seed` or `3 seeds`."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def enough(captioners: int) -> int:
    """Captioners that must agree: six of seven, or all of fewer than seven."""
    return math.ceil(6 * captioners / 7)
