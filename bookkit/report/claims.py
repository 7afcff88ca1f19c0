"""Verdicts on claims, each from the runs of one profile, by a rule that is the same for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bookkit.report import across
from bookkit.report.choices import LEAST_SHARE
from bookkit.report.evidence import Found, Judged, Verdict, enough, plural
from bookkit.report.frontier import rewards, settings
from bookkit.report.intervals import by_family, difference, effects, gain_at, ratio
from bookkit.report.ledger import JUDGES, Claim, ClaimTest
from bookkit.report.results import Runs
from gegcore.metrics.uncertainty import RESAMPLES
from gegcore.training.config import OBJECTIVES

ONE_SEED = "one seed of some captioner decides nothing"

WEIGHTS = 4
"""Weights of a reward, at least, that a comparison at equal CIDEr is read off."""

REWARDED = {"cider": "CIDEr", "geg_avg": "GEG-Avg", "geg_min": "GEG-Min"}
"""Reward -> the metric that it is."""


def judge(claim: Claim, every: Sequence[Runs], resamples: int = RESAMPLES) -> Judged:
    """The verdict on a claim, from the profile that has most runs for it.

    A test *holds* if the interval of the mean over captioners lies on the claimed side, and so do
    the values of enough captioners (`ClaimTest.least`). It *fails* if that interval lies on the
    other side, or if so many captioners' own intervals do that not enough are left. With one seed
    of some captioner nothing is decided. A claim of several tests holds if all do and enough
    captioners pass all of them; it fails if one fails or not enough could. What would hold, but
    could hardly do otherwise (`guarantee`), is *guaranteed* instead.

    Args:
        every: as `Runs.every` gives them.

    Raises:
        DataError: runs of one captioner captioned different images.
    """
    if claim.untested:
        return Judged(claim, "undecided", claim.untested)
    if claim.retrievers:
        return Judged(claim, *across.retrievers(claim.retrievers, every))
    if claim.correlation:
        return Judged(claim, *across.correlation(claim.correlation, every))
    if claim.last_epoch:
        return Judged(claim, *across.last_epoch(claim.last_epoch, every))
    candidates = []
    for runs in every:
        found = [find(test, runs, resamples) for test in claim.tests]
        if all(found):
            candidates.append(_together(claim, [one for each in found for one in each]))
    if not candidates:
        wanted = dict.fromkeys(name for test in claim.tests for name in (test.of, test.over))
        names = " and ".join(OBJECTIVES[name].label for name in wanted)
        lacking = f"no runs of {names} with values of single captions"
        if any(test.at_cider for test in claim.tests):
            lacking = f"no captioner has {WEIGHTS} weights of {names} with every seed"
        return Judged(claim, "undecided", lacking)
    first = max(candidates, key=lambda candidate: candidate.runs)
    others = [other for other in candidates if other is not first]
    beside = "; ".join(f"profile {other.found[0].profile}: {other.verdict}" for other in others)
    return replace(first, beside=beside)


def find(test: ClaimTest, runs: Runs, resamples: int = RESAMPLES) -> list[Found]:
    """The numbers of a test and its verdict, by every metric that it means; none without runs."""
    metrics = [test.metric]
    if test.metric.endswith(JUDGES):
        start = test.metric.removesuffix(JUDGES)
        metrics = [name for name in map(str, runs.scores) if name.startswith(f"{start} ")]
    known = [name for name in metrics if name in runs.scores and runs.scores[name].notna().any()]
    changed = [test.model_copy(update={"metric": name}) for name in known]
    return [found for one in changed if (found := _by_metric(one, runs, resamples))]


def _by_metric(test: ClaimTest, runs: Runs, resamples: int) -> Found | None:
    if not (runs.of_objective(test.of) and runs.of_objective(test.over)):
        return None
    scores, columns = runs.scores, [(test.of, test.metric), (test.over, test.metric)]
    models = [_best(runs)] if test.captioners == "best" else runs.models
    if test.at_cider:
        scores, weights, models = _frontier(test, runs)
        names = [test.over, *weights]
        columns = [(name, metric) for name in names for metric in ("CIDEr", test.metric)]
    tables = {name: by_family(scores[scores["model"] == name], columns) for name in models}
    sums = {name: table for name, table in tables.items() if len(table)}
    if not sums:
        return None
    made = gain_at(test.at_cider) if test.at_cider else difference if test.share is None else ratio
    each, mean = effects(sums, made, resamples)
    values = {}
    for name, table in sums.items():
        means = table.sum(axis=(0, 1))[:-1] / table[..., -1].sum()
        of, over = (means[1] + each[name].value, means[1]) if test.at_cider else means
        values[name] = float(of), float(over)
    pair = (test.of, test.over)
    starts = [name for name, objective, _ in runs.kept_start if objective in pair]
    kept = {name: starts.count(name) for name in sums}
    found = Found(test, runs.profile.name, each, mean, values, kept, "undecided", "")
    verdict, reason = _verdict(found)
    if verdict == "holds" and (why := guarantee(test, *_settings(test, runs))):
        verdict, reason = "guaranteed", why
    return replace(found, verdict=verdict, reason=reason)


def _frontier(test: ClaimTest, runs: Runs) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Scores, weights and captioners: those that have enough weights with every seed.

    Two points of a frontier are a straight line between two models, which no run lies on.
    """
    scores, weights = runs.frontier(test.of)
    of = {(m, seed) for m, name, seed in runs.folders if name == test.of}
    wanted = of & {(m, seed) for m, name, seed in runs.folders if name == test.over}
    held = scores[["objective", "model", "seed"]].drop_duplicates()
    whole: dict[str, list[str]] = {}
    for model in {m for m, _ in wanted}:
        seeds = {seed for m, seed in wanted if m == model}
        has = held[held["model"] == model].groupby("objective")["seed"].agg(set)
        whole[model] = [name for name in weights if name in has and seeds <= has[name]]
    models = [model for model in runs.models if len(whole.get(model, ())) >= WEIGHTS]
    shared = [name for name in weights if all(name in whole[model] for model in models)]
    return scores, shared, models if len(shared) >= WEIGHTS else []


def _settings(test: ClaimTest, runs: Runs) -> list[dict[str, Any]]:
    """Of both objectives, by the first run of each."""
    sides = (test.of, test.over)
    return [settings(next(iter(runs.of_objective(name).values())))["objective"] for name in sides]


def _best(runs: Runs) -> str:
    """The captioner with the highest CIDEr after +SCST; "" if not several have such a run."""
    table = runs.metrics.query("objective == 'scst' and metric == 'CIDEr'")
    means = table.groupby("model")["value"].mean()
    return str(means.idxmax()) if len(means) > 1 else ""


def _verdict(found: Found) -> tuple[Verdict, str]:
    test, each, count = found.test, found.effects.values(), len(found.effects)
    least, whole = _least(test, count), test.captioners == "each"
    passed = sum(found.agree(e) if whole else found.claimed(e.value) for e in each)
    how = f"{passed} of {plural(count, 'captioner')} on the claimed side"
    how += " with the whole interval" if whole else ""
    if count < least:
        return "undecided", f"{how}; {least} must be"
    if found.seeds < 2:
        return "undecided", f"{how}; {ONE_SEED}"
    if any(math.isnan(effect.low) for effect in each):
        return "undecided", f"{how}; there is no value for every run"
    if found.against(found.mean) or count - sum(map(found.against, each)) < least:
        return "fails", f"{how}; {least} must be"
    if passed >= least and (whole or found.agree(found.mean)):
        return "holds", how
    return "undecided", f"{how}; {least} must be, and the interval of the mean"


def _least(test: ClaimTest, captioners: int) -> int:
    return test.least or enough(captioners)


def _together(claim: Claim, found: Sequence[Found]) -> Judged:
    """Of all tests of a claim; a captioner passes those it has runs for, the first among them."""
    first, verdicts = found[0], {one.verdict for one in found}
    verdict: Verdict = first.verdict
    reason = first.reason
    if len(found) > 1:
        models, least = list(first.effects), _least(first.test, len(first.effects))
        sides = [[(f, f.effects[m]) for f in found if m in f.effects] for m in models]
        passed = sum(all(f.claimed(effect.value) for f, effect in side) for side in sides)
        could = sum(not any(f.against(effect) for f, effect in side) for side in sides)
        parts = ", ".join(f"{one.test.metric} {one.verdict}" for one in found)
        reason = f"{passed} of {plural(len(models), 'captioner')} pass every test ({parts})"
        verdict = "undecided"
        if "fails" in verdicts or ("undecided" not in verdicts and could < least):
            verdict = "fails"
        elif verdicts == {"guaranteed"}:
            verdict = "guaranteed"
        elif verdicts <= {"holds", "guaranteed"} and passed >= least:
            verdict = "holds"
    return Judged(claim, verdict, reason, tuple(found), "\n".join(one.measured for one in found))


def guarantee(test: ClaimTest, of: Mapping[str, Any], over: Mapping[str, Any]) -> str:
    """Why a test could hardly fail, by the settings of both objectives; "" if it could.

    A checkpoint is the best of several on the validation split, the start of training among them:
    that it is not worse than that start, by what it is selected by, says nothing. Nor does it that
    something rises which one side alone is rewarded for.
    """
    rule, metric = of["select"], test.metric
    from_there = of["start_from"] == test.over
    if from_there and test.expect == "higher" and metric == rule["metric"].replace("-D", ""):
        return f"the rule takes the epoch of highest validation {metric}, the start among them"
    kept, share = float(rule["least_cider_share"]), test.share or 0.0
    if from_there and metric == "CIDEr" and test.expect == "at_least" and kept >= share:
        return f"the rule takes only epochs that keep {100 * kept:.0f} % of it on validation"
    chosen = of["start_from"] == over["start_from"] and kept > 0
    if chosen and metric == "CIDEr" and test.expect == "at_least" and share <= LEAST_SHARE:
        return f"weight and learning rate were chosen to keep {100 * LEAST_SHARE:.0f} % of it"
    rewarded, before = ({REWARDED.get(name) for name in rewards(side)} for side in (of, over))
    if test.expect == "higher" and metric in rewarded - before:
        return f"{metric} is what {OBJECTIVES[test.of].label} alone is rewarded for"
    return ""
