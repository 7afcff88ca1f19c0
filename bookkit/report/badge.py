"""Where the numbers of a page come from, as a row of labels."""

from __future__ import annotations

from bookkit.report.page import Html, badge
from bookkit.report.results import Runs


def runs_badge(runs: Runs) -> Html:
    """Profile, number of runs, seeds, days, commits, devices and training time."""
    found = runs.provenance
    days, seconds = found["trained"].str[:10], found["seconds"].sum()
    return badge(
        {
            "profile": runs.profile.name,
            "runs": f"{len(found)}" + ("" if runs.own else " (stored)"),
            "seeds": ", ".join(map(str, sorted(found["seed"].unique()))),
            "trained": " to ".join(dict.fromkeys((days.min(), days.max()))),
            "commit": ", ".join(sorted(set(found["commit"]) - {""})) or "not in git",
            "device": ", ".join(sorted(found["device"].unique())),
            "training": f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s",
        }
    )
