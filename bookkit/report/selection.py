"""What the rules that select epochs contribute to a difference: both sides by the same rule."""

from __future__ import annotations

import pandas as pd

from bookkit.report.results import Runs
from gegcore.runs import RunFolder

KEPT = 0.9
"""Of the CIDEr-D of the start, as `select` of rewards with CLIP has it."""


def gains(runs: Runs, of: str, over: str) -> pd.DataFrame:
    """Validation R@1 of one objective minus that of another, both of which start from one model.

    Returns:
        A row a captioner, means over the seeds that both have: `own rules`, of the epochs that were
        selected; `same rule`, of the epochs of highest R@1 that keep `KEPT` of CIDEr-D; and `share`
        of the CIDEr-D of `over` after the last epoch of both, in per cent.
    """
    rows = []
    for model, _, seed in runs.of_objective(of):
        if (model, over, seed) in runs.folders:
            sides = [runs.folders[model, name, seed] for name in (of, over)]
            own, same = (kept(sides[0]) - kept(sides[1]) for kept in (_selected, _by_recall))
            ends = [run.history()["CIDEr-D"].iloc[-1] for run in sides]
            rows.append((model, own, same, 100 * ends[0] / ends[1]))
    table = pd.DataFrame(rows, columns=["captioner", "own rules", "same rule", "share"])
    return table.groupby("captioner", sort=False).mean()


def _selected(run: RunFolder) -> float:
    history = run.history().set_index("epoch")
    return float(history["R@1"].loc[run.training()["best_epoch"]])


def _by_recall(run: RunFolder) -> float:
    history = run.history()  # the first row is the start
    sound = history["CIDEr-D"] >= KEPT * history["CIDEr-D"].iloc[0]
    return float(history.loc[sound, "R@1"].max())
