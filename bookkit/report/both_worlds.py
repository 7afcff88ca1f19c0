"""The paper, photographs and the embedded world side by side: verdicts and rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bookkit.report.claims import judge
from bookkit.report.ledger import load_ledger
from bookkit.report.page import DASH
from bookkit.report.paper import MODEL_NAMES, paper_rows
from bookkit.report.results import Runs, over_seeds
from gegcore.metrics.uncertainty import RESAMPLES
from gegcore.training.config import OBJECTIVES

PAPER, PHOTOGRAPHS, WORLD = SIDES = ("paper", "photographs", "embedded world")
_DECIDED = ("holds", "fails")


def verdicts(
    photographs: Sequence[Runs], world: Sequence[Runs], resamples: int = RESAMPLES
) -> pd.DataFrame:
    """What runs on either kind of picture say of each claim that has a test.

    Args:
        photographs, world: as `Runs.every` gives them; none if nothing was run.

    Returns:
        A row a claim; columns `SIDES` in words ("not run" without runs), and `differ`: whether one
        side holds what fails on the other. Rows that differ come first.
    """
    rows = []
    for claim in load_ledger().claims:
        if claim.untested:
            continue
        found = {PAPER: claim.printed or DASH}
        for side, runs in ((PHOTOGRAPHS, photographs), (WORLD, world)):
            found[side] = judge(claim, runs, resamples).verdict if runs else "not run"
        differ = {found[PHOTOGRAPHS], found[WORLD]} == {*_DECIDED}
        rows.append({"claim": claim.claim.strip(), **found, "differ": differ})
    table = pd.DataFrame(rows).set_index("claim")
    return table.sort_values("differ", ascending=False, kind="stable")


def disagreement(table: pd.DataFrame) -> str:
    """A sentence on `verdicts`: how many claims both kinds of pictures decide, which differ."""
    both = table[[PHOTOGRAPHS, WORLD]].isin(_DECIDED).all(axis=1)
    if not both.any():
        return "No claim is decided on both yet, so that nothing is known of where they disagree."
    named = "; ".join(table.index[table["differ"]])
    found = f"They disagree on {table['differ'].sum()}: {named}." if named else "They agree on all."
    return f"{both.sum()} of {len(table)} claims are decided on both. {found}"


def stages(
    sides: Mapping[str, Runs | None], models: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """Rows of the paper's Tables 2 and 3 beside those of runs, means over seeds.

    Args:
        sides: `PHOTOGRAPHS` and `WORLD` -> their runs, None without any.
        models: captioners, each with its objectives as rows.
        metrics: as the paper prints them, R@K in per cent.

    Returns:
        Index (captioner, label), columns (metric, side), the paper first; NaN where nothing is.
    """
    printed = pd.concat({(name, at): paper_rows(at, name) for name in models for at in (2, 3)})
    printed = printed.droplevel(1)
    frames = {PAPER: printed[~printed.index.duplicated()]}
    for side, runs in sides.items():
        frames[side] = pd.DataFrame(index=frames[PAPER].index)
        if runs is not None:
            means = over_seeds(runs.metrics[runs.metrics["model"].isin(models)])
            frames[side] = means.pivot_table("value", ["model", "label"], "metric", sort=False)
    labels = [objective.label for objective in OBJECTIVES.values()]
    labels += [label for frame in frames.values() for _, label in frame.index]
    rows = pd.MultiIndex.from_product([models, dict.fromkeys(labels)], names=["model", "label"])
    cut = {side: frame.reindex(rows, columns=list(metrics)) for side, frame in frames.items()}
    whole = pd.concat(cut, axis=1).swaplevel(axis=1)
    whole = whole[[(metric, side) for metric in metrics for side in frames]]
    return whole.dropna(how="all").rename(index=MODEL_NAMES, level=0)
