"""The rules of `notebooks/17_choices.ipynb` as code: what the stored sweeps decide."""

from __future__ import annotations

import pandas as pd

from bookkit.report.sweeps import Sweep

LEAST_SHARE = 0.9
"""Of the CIDEr-D of +SCST++, that captions rewarded with the gap must keep."""


HALF_RIGHT = ("colour", "number")
"""Kinds of facts of which at least half must be true in sampled captions after MLE."""


def epochs_by_rule(facts: pd.DataFrame) -> int:
    """The fewest epochs of MLE after which at least half of the details are right, for each.

    Args:
        facts: as `sampled_facts.read_tried` gives them.

    Raises:
        ValueError: no number of epochs is enough.
    """
    details = facts[facts["kind"].isin(HALF_RIGHT)]
    right = details.groupby(["value", "model", "kind"])["true"].mean()
    enough = (right >= 50).groupby("value").all()
    if not enough.any():
        raise ValueError("after no number of epochs are half of the details right")
    return int(enough[enough].index.min())


def baseline_by_rule(sweep: Sweep) -> str:
    """Greedy, unless the mean of others is better by 2 points for all and no less varied."""
    by = sweep.last.unstack("value")
    gain = by["CIDEr-D", "mean_of_others"] - by["CIDEr-D", "greedy"]
    varied = by["different", "mean_of_others"] >= by["different", "greedy"]
    return "mean_of_others" if bool(((gain > 2) & varied).all()) else "greedy"


def rate_by_rule(sweep: Sweep) -> float:
    """Highest mean CIDEr-D among the rates at which no captioner collapses.

    Raises:
        ValueError: all collapse: then entropy needs a floor.
    """
    start = sweep.validation.query("epoch == 0").groupby("model")["different"].mean()
    last = sweep.last
    half = last.index.get_level_values("model").map((start / 2).to_dict())
    sound = (last["opening"] <= 0.5) & (last["different"] >= half)
    every = sound.groupby("value").all()
    means = last.groupby("value")["CIDEr-D"].mean()[every]
    if means.empty:
        raise ValueError("+SCST collapses at every learning rate")
    return float(means.reset_index().sort_values("CIDEr-D")["value"].iloc[-1])


KINDS = {
    "transformer": ("transformer", "meshed_memory"),
    "updown": ("lstm_a3", "attention", "updown", "gcn_lstm"),
    "xlan": ("xlan",),
}
"""Captioner that is tried -> captioners of its kind."""


def later_rates_by_rule(sweep: Sweep, plain: Sweep) -> dict[str, float]:
    """Captioner -> rate of what starts from +SCST: highest R@1 where CIDEr-D is kept.

    Args:
        sweep: +SCST+GEG by learning rate.
        plain: +SCST++ by learning rate.

    Raises:
        ValueError: at no rate is it kept by a captioner that was tried.
    """
    by = ["model", "value"]
    means, without = (each.last.groupby(by).mean(numeric_only=True) for each in (sweep, plain))
    sound = means[means["CIDEr-D"] > LEAST_SHARE * without["CIDEr-D"].reindex(means.index)]
    best = sound["R@1"].groupby("model").idxmax()
    if missing := sorted({*means.index.unique("model")} - {*best.index}):
        raise ValueError(f"no rate keeps 90 % of the CIDEr-D of +SCST++ for {', '.join(missing)}")
    return {each: float(rate) for name, rate in best for each in KINDS[name]}


def kept(sweep: Sweep, plain: Sweep) -> pd.DataFrame:
    """Captioner x weight: share of the CIDEr-D of +SCST++ after the last epoch."""
    without = plain.last.groupby("model")["CIDEr-D"].mean()
    return sweep.last["CIDEr-D"].unstack("value").div(without, axis="index")


def weight_by_rule(sweep: Sweep, plain: Sweep) -> float:
    """The largest weight with which each captioner keeps 90 % of the CIDEr-D of +SCST++.

    Raises:
        ValueError: none does.
    """
    every = (kept(sweep, plain) > LEAST_SHARE).all()
    if not every.any():
        raise ValueError("no weight keeps 90 % of the CIDEr-D of +SCST++")
    return float(every[every].reset_index()["value"].max())
