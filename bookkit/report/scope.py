"""What was run, beside the paper's own setting: a table of profiles and their finished runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bookkit.report.page import DASH
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import Runs
from gegcore.profiles import Profile, load_profile
from photographs.sources import SOURCES

_PICTURES = {"scenes": "painted", "karpathy": "photographs"}


def scope(paper: str, every: Sequence[Runs]) -> pd.DataFrame:
    """A row a fact, a column a profile.

    Args:
        paper: the public data set of the paper, and the profile that has the paper's settings.
        every: what was run.
    """
    test = SOURCES[paper].splits[2]
    of_paper = {"test images": f"{test:,}", "captioners": str(len(MODEL_NAMES))}
    columns = {"paper": {**_settings(load_profile(paper)), **of_paper}}
    for runs in every:
        columns[runs.profile.name] = {**_settings(runs.profile), **_ran(runs)}
    return pd.DataFrame(columns).reindex(list(columns[every[0].profile.name])).fillna(DASH)


def _settings(profile: Profile) -> dict[str, str]:
    geg, source = profile.objective("scst_geg"), SOURCES.get(profile.name)
    train = getattr(profile.data, "train", None) or (source.splits[0] if source else None)
    return {
        "pictures": _PICTURES.get(profile.data.kind, "own"),
        "training images": f"{train:,}" if train else DASH,
        "CLIP": profile.clip,
        "K": str(profile.group_size),
        "alpha, beta": ", ".join(f"{weight:g}" for weight in geg.rewards.values()),
        "epochs of +GEG": str(geg.epochs),
    }


def _ran(runs: Runs) -> dict[str, str]:
    names = list(runs.folders)
    return {
        "test images": f"{int(runs.metrics['n'].max()):,}",
        "captioners": str(len(runs.models)),
        "objectives": str(len({name for _, name, _ in names})),
        "seeds": ", ".join(map(str, sorted({seed for _, _, seed in names}))),
        "runs": str(len(names)),
        "hours of training": f"{runs.provenance['seconds'].sum() / 3600:.1f}",
    }
