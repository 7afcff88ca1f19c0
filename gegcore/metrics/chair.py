"""CHAIR: how often captions name objects that are not in the picture, among COCO's 80."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gegcore.errors import DataError, some
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.objects import object_words
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic, quotient


class ImageObjects(NamedTuple):
    """What annotators have marked in images.

    Attributes:
        categories: image id -> names of the categories of COCO that are in it.
        source: where that is from, for signatures.
    """

    categories: Mapping[Any, frozenset[str]]
    source: str


def chair_metric(objects: ImageObjects, given: MetricInputs) -> Scores:
    """`chair_scores` of captions of images whose objects are known.

    Raises:
        DataError: the objects of a captioned image are not known.
    """
    if unknown := [image for image in given.captions if image not in objects.categories]:
        what = f"no instances of {len(unknown):,} captioned images: {some(map(repr, unknown))}"
        raise DataError(what, "pass those of all of them")
    marked = [objects.categories[image] for image in given.captions]
    words = given.tokenized
    said = (
        f"objects of {objects.source} or in a reference, found by gegcore's own words for COCO's "
        f"{len(object_words().categories)} categories@{object_words().version}"
    )
    return chair_scores(words.captions, words.references, marked) | Scores(
        {}, signature={"CHAIR-s": said, "CHAIR-i": said}
    )


def chair_scores(
    captions: Sequence[str],
    references: Sequence[Sequence[str]],
    marked: Sequence[Collection[str]],
) -> Scores:
    """CHAIR-s and CHAIR-i of M captions, one an image, in per cent: lower is better.

    - "CHAIR-s": captions that mention an object which is not in their image.
    - "CHAIR-i": mentions of objects that are not in their image, of all mentions of objects. Where
      there are none it is missing; a caption without any has 0.

    In an image are the objects that were marked and those that a reference mentions. What counts
    as a mention is decided by this project's own list of words (`objects.object_words`), so values
    by another list, the original one too, are other values.

    Args:
        captions, references: lower-case tokens, blanks between them.
        marked: names of COCO's categories.

    The values per caption list its mentions of objects, and the hallucinated ones by name.

    Source: rohrbach2018chair.
    """
    words = object_words()
    mentions, hallucinated, names = [], [], []
    for caption, truth, there in zip(captions, references, marked, strict=True):
        present = frozenset(there).union(*(each for text in truth for each in words.mentions(text)))
        named = words.mentions(caption)
        wrong = [" or ".join(sorted(each)) for each in named if not each & present]
        mentions.append(len(named))
        hallucinated.append(len(wrong))
        names.append(", ".join(wrong))
    total, false = np.array(mentions), np.array(hallucinated)
    share, ratio = Statistic.mean(100.0 * (false > 0)), Statistic.ratio(false, total).scaled(100)
    per_caption = {
        "CHAIR-s": 100.0 * (false > 0),
        "CHAIR-i": 100.0 * quotient(false, total),
        "objects": total,
        "hallucinated": np.array(names, dtype=object),
    }
    if not total.any():
        nothing = {"CHAIR-i": "no caption mentions one of COCO's objects"}
        return Scores({"CHAIR-s": share}, per_caption, missing=nothing)
    return Scores({"CHAIR-s": share, "CHAIR-i": ratio}, per_caption)
