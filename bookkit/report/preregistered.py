"""The question of `book/preregistration.md`: a reward of our own against GEG-Avg at equal CIDEr."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from bookkit.report.claims import WEIGHTS
from bookkit.report.evidence import plural, spread
from bookkit.report.intervals import Effect, Means, by_family, effects, gain_at
from bookkit.report.results import Runs
from gegcore.metrics.uncertainty import RESAMPLES

OURS, THEIRS, START = "identification", "scst_geg", "scst_pp"
CAPTIONERS, SEEDS = ("transformer", "updown", "xlan"), (1, 2, 3)
SHARE = 0.95
"""Of the CIDEr of +SCST++, at which both are compared."""

METRICS = ("R@1 judge SigLIP", "listener R@1")

ANCHORED, ALONE, KEPT = "ours_sole", "scst_geg_sole", 0.5
"""Without CIDEr: ours and GEG-Avg, and the share of CIDEr-D that the anchor should keep."""


@dataclass(frozen=True)
class Answer:
    """What the rule that was written down says of the runs that there are.

    Attributes:
        verdict: "open" as long as runs are missing.
        reason: what is missing, or how the intervals lie.
        found: metric -> ours minus GEG-Avg, of each captioner.
        means: metric -> the same, mean over captioners: what decides.
    """

    verdict: Literal["better", "worse", "undecided", "open"]
    reason: str
    found: Mapping[str, Mapping[str, Effect]] = field(default_factory=dict)
    means: Mapping[str, Effect] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """Differences with their intervals in words: a row a captioner and their mean."""
        rows = {metric: {**self.found[metric], "mean": self.means[metric]} for metric in self.means}
        return pd.DataFrame(
            {m: {n: spread(m, e) for n, e in row.items()} for m, row in rows.items()}
        )


def answer(runs: Runs, resamples: int = RESAMPLES) -> Answer:
    """*Better* if both intervals of the mean lie above 0, *worse* if both lie below.

    Weights count that every captioner was trained with, with every seed.

    Args:
        runs: of a profile that knows both rewards; stored ones keep values of single captions.

    Raises:
        DataError: runs of one captioner captioned different images.
    """
    (scores, ours), (more, theirs) = runs.frontier(OURS), runs.frontier(THEIRS)
    scores = pd.concat([scores, more[~more["objective"].isin(scores["objective"].unique())]])
    scores = scores[scores["model"].isin(CAPTIONERS) & scores["seed"].isin(SEEDS)]
    runs_of = scores[["objective", "model", "seed"]].drop_duplicates()["objective"].value_counts()
    whole = set(runs_of.index[runs_of == len(CAPTIONERS) * len(SEEDS)])
    sides = {OURS: [n for n in ours if n in whole], THEIRS: [n for n in theirs if n in whole]}
    lacking = [
        f"{plural(WEIGHTS - len(of), 'weight')} of {n}"
        for n, of in sides.items()
        if len(of) < WEIGHTS
    ]
    if lacking := lacking + [START] * (START not in whole):
        every = f"of {', '.join(CAPTIONERS)} with seeds {', '.join(map(str, SEEDS))}"
        return Answer("open", f"runs are missing {every}: {', '.join(lacking)}")
    found, means = {}, {}
    for metric in METRICS:
        names = [START, *sides[OURS], START, *sides[THEIRS]]
        columns = [(name, value) for name in names for value in ("CIDEr", metric)]
        tables = {m: by_family(scores[scores["model"] == m], columns) for m in CAPTIONERS}
        found[metric], means[metric] = effects(tables, _ahead(2 + 2 * len(sides[OURS])), resamples)
    return Answer(*_verdict(means), found, means)


def anchor(runs: Runs) -> tuple[Literal["yes", "no", "open"], pd.DataFrame]:
    """Does the anchor hold the language where CIDEr is not rewarded?

    Yes, if in every seed of every captioner CIDEr-D (validation) after the last epoch is above half
    of that of +SCST with our reward, and below with GEG-Avg alone.

    Returns:
        The verdict and the shares: a row a captioner and seed, columns `ANCHORED` and `ALONE`.
    """
    wanted = [(model, seed) for model in CAPTIONERS for seed in SEEDS]
    table = pd.DataFrame(index=pd.MultiIndex.from_tuples(wanted), columns=[ANCHORED, ALONE])
    for model, seed in wanted:
        for name in (ANCHORED, ALONE):
            if run := runs.folders.get((model, name, seed)):
                values = run.history()["CIDEr-D"]  # The first is that of +SCST, where it starts.
                table.loc[(model, seed), name] = values.iloc[-1] / values.iloc[0]
    table = table.astype(float)
    if table.isna().any(axis=None):
        return "open", table
    held = (table[ANCHORED] > KEPT).all() and (table[ALONE] < KEPT).all()
    return "yes" if held else "no", table


def _ahead(first: int) -> Means:
    """The gain of the frontier in the first columns minus that of the frontier in the others."""
    gain = gain_at(SHARE)
    return lambda means: gain(means[..., :first]) - gain(means[..., first:])


def _verdict(means: Mapping[str, Effect]) -> tuple[Literal["better", "worse", "undecided"], str]:
    if any(math.isnan(effect.low) for effect in means.values()):
        share = f"{100 * SHARE:.0f} % of CIDEr"
        return "undecided", f"a frontier does not reach {share} from both sides"
    if all(effect.low > 0 for effect in means.values()):
        return "better", "both intervals lie above 0"
    if all(effect.high < 0 for effect in means.values()):
        return "worse", "both intervals lie below 0"
    return "undecided", "the intervals do not lie on one side of 0"
