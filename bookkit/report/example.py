"""The front page's example: the paper's Figure 1 with a picture, a group and captions of runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from bookkit.report.page import picture
from bookkit.report.results import Runs, control
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.endings import BAD_ENDINGS
from gegcore.groups import SimilarGroups
from gegcore.runs import project_root
from gegcore.training.config import OBJECTIVES

_GAP = OBJECTIVES["scst_geg"].label
_SHOWN = ("CIDEr", "GEG-Avg")


def example(runs: Runs) -> dict[str, Any]:
    """A test picture, its similar group, and two captions of it: of +SCST+GEG and of its control.

    By the first captioner and seed; see `most_telling` for the rule that picks the picture.
    """
    profile, scores = runs.profile, runs.scores
    folder = project_root() / "artifacts" / profile.name
    dataset = ScenesDataset.load(folder / "data" / "test.json")
    groups = SimilarGroups.load(folder / "groups" / f"test-k{profile.group_size}")
    first = scores[(scores["model"] == scores["model"][0]) & (scores["seed"] == scores["seed"][0])]
    labels = list(dict.fromkeys(first["label"]))
    after = _GAP if _GAP in labels else labels[-1]
    before = control(labels) if control(labels) in labels else labels[0]
    of, over = (first[first["label"] == label].set_index("image_id") for label in (after, before))
    images = [record.image_id for record in dataset.records]
    alike = pd.Series(groups.score.mean(dim=1).numpy(), images)
    image = most_telling(over, of, alike)
    target = images.index(image)
    return {
        "target": _painted(dataset, target, "Target image", 192),
        "similar": [
            _painted(dataset, i, "Similar image", 64) for i in groups.index[target].tolist()
        ],
        "said": [_said(before, over.loc[image]), _said(after, of.loc[image])],
    }


def most_telling(before: pd.DataFrame, after: pd.DataFrame, alike: pd.Series) -> Any:
    """The picture with the most similar group, of those whose captions prove the point.

    The caption of +SCST+GEG repeats no word and does not break off; it retrieves the picture, and
    the other does not; both state no false fact; and judges retrieve it, too. Where no picture has
    all of this, the later conditions give way first.

    Args:
        before, after: captions of the same images by both objectives, by image.
        alike: mean similarity of each image's group (Eq. 2), by image.
    """
    judges = [name for name in after if str(name).startswith("rank ")]
    true = [s["facts"] == s["true facts"] for s in (before, after) if "facts" in s]
    table = pd.DataFrame(
        {
            "clean": after["caption"].map(clean),
            "found": after["rank"] == 0,
            "lost": before["rank"] > 0,
            "true": np.logical_and.reduce(true) if true else True,
            "judged": (after[judges] == 0).all(axis="columns"),
            "alike": alike,
        }
    ).loc[list(after.index)]
    order = [str(name) for name in table]
    return table.sort_values(order, ascending=False, kind="stable").index[0]


def clean(caption: str) -> bool:
    """Whether no word of content stands twice, and the last one can end a sentence."""
    words = caption.split()
    content = [word for word in words if len(word) > 3]
    return bool(words) and len(content) == len({*content}) and words[-1] not in BAD_ENDINGS


def _said(label: str, row: pd.Series) -> dict[str, Any]:
    values = {name: float(row[name]) for name in _SHOWN if name in row}
    words = re.sub(r"\s+", " ", str(row["caption"]))
    return {"label": label, "caption": words, "rank": int(row["rank"]), "values": values}


def _painted(dataset: ScenesDataset, position: int, what: str, size: int) -> Markup:
    alt = f"{what}: {dataset.records[position].captions[0]}"
    return Markup(picture(paint(dataset.scene(position), 2 * size), alt, 128))
