"""Every metric for one captions file, with intervals, values per caption and signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from traceback import extract_tb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gegcore.errors import ConfigError, GegError
from gegcore.metrics.clipscore import clipscore_metric
from gegcore.metrics.distinctiveness import bag_metric, gap_metric, recall_metric
from gegcore.metrics.group_words import group_words_metric
from gegcore.metrics.inputs import MetricInputs, Pictures
from gegcore.metrics.judged import judges_metric
from gegcore.metrics.language import language_metric
from gegcore.metrics.meteor import start_meteor
from gegcore.metrics.presentation import FAMILIES
from gegcore.metrics.scores import Scores
from gegcore.metrics.spice import spice_metric
from gegcore.metrics.tokenized import check_captions
from gegcore.metrics.uncertainty import LEVEL, RESAMPLES, Statistic, bootstrap, check_numbers
from gegcore.metrics.words import words_metric

Compute = Callable[[MetricInputs], Scores]


class Metric(NamedTuple):
    """One or more metrics that are computed together.

    Attributes:
        compute: inputs -> scores; what it could not compute, it lists as missing.
        of_pictures: names of the metrics, if they need pictures: where there are none, these are
            listed as missing.
    """

    compute: Compute
    of_pictures: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric(language_metric),
    Metric(spice_metric),
    Metric(words_metric),
    Metric(group_words_metric),
    Metric(recall_metric, ("R@1", "R@5", "R@10")),
    Metric(gap_metric, ("GEG-Avg", "GEG-Min")),
    Metric(bag_metric, ("bag R@1",)),
    Metric(clipscore_metric, ("CLIPScore", "RefCLIPScore")),
    Metric(judges_metric),
)
"""All metrics in the order of the tables; a new one adds one line here, or in a profile."""

COLUMNS = ("image_id", "caption", "rank", "similarity", "objects", "hallucinated")
"""What `Evaluation.per_caption` has beside metrics."""

OWN_NAMES = frozenset({*COLUMNS, *(name for members in FAMILIES.values() for name in members)})
"""Metrics and columns of gegcore: no score from elsewhere may be called so."""

_OF_GROUPS = ("clip", "clip_digest", "captions_digest")


@dataclass(frozen=True)
class Evaluation:
    """What is stored of a captions file.

    Attributes:
        metrics: name -> {"value", "ci95": [low, high], "n"}. Language metrics and recalls are
            times 100 as in the paper's tables, GEG is raw.
        per_caption: one row a caption: image_id, caption, and a column for every metric that has
            a value per caption; rank (0 = own image retrieved first); similarity (Eq. 1).
        signature: versions, tokenizer, CLIP and its digest, numbers of images and captions, K.
        statistics: name -> `Statistic`, for paired differences to another evaluation of the same
            images (`uncertainty.paired_difference`).
        missing: metric -> why it could not be computed here, and how it could.
        failed: those of the missing whose program failed.
    """

    metrics: dict[str, dict[str, Any]]
    per_caption: pd.DataFrame
    signature: dict[str, Any]
    statistics: dict[str, Statistic]
    missing: dict[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def evaluate_captions(
    given: MetricInputs,
    more: Sequence[Compute] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    no_pictures: str = "pictures were not given",
) -> Evaluation:
    """Score one caption per image with every metric that its inputs allow.

    Args:
        more: metrics beside `METRICS`; computed first, so that what is wrong with one is known
            before the work.
        seed, resamples: of the bootstrap.
        no_pictures: why there are none, for `Evaluation.missing`.

    Raises:
        DataError: captions that cannot be scored (`check_captions`), or pictures that do not fit
            them (`MetricInputs.index`).
        ConfigError: as `check_numbers`, or a metric or a column that is computed twice; one of
            `more` fails, or returns what cannot be resampled (`Scores.check`).
        ToolError: a Java program failed, and `given.keep_going` is not set.

    Source: paper Sec. 3.3 and Table 2.
    """
    check_numbers({"seed": seed, "resamples": resamples})
    check_captions(given.captions, given.references)
    if given.pictures is not None:
        _ = given.index  # Ids that do not fit are noticed now, not after the work.
    start_meteor()  # It loads while captions are tokenised and CLIP encodes.
    said = {"image_id": list(given.captions), "caption": list(given.captions.values())}
    scores = Scores({}, dict.fromkeys(said, np.empty(0)))  # No metric may be called so.
    theirs = [_theirs(compute, given) for compute in more]
    for compute, of_pictures in METRICS:
        if of_pictures and given.pictures is None:
            scores |= Scores({}, missing=dict.fromkeys(of_pictures, no_pictures))
        else:
            scores |= compute(given)
    for scored in theirs:
        scores |= scored
    intervals = bootstrap(scores.statistics, seed, resamples)
    metrics = {
        name: {"value": found.value, "ci95": [found.low, found.high], "n": found.n}
        for name, found in intervals.items()
    }
    for name in (name for scored in theirs for name in scored.statistics):
        if not np.isfinite(intervals[name]).all():
            fix = "let its `finish` give a number for any sums, such as 0 for 0 / 0"
            raise ConfigError(f"metric '{name}' is NaN or infinite in some resamples", fix)
    table = pd.DataFrame({**scores.per_caption, **said})
    signature = {
        **scores.signature,
        **(_signature(given.pictures) if given.pictures else {}),
        "captions": len(given.captions),
        "interval": f"{LEVEL:.0%} percentile bootstrap over images",
        "resamples": resamples,
        "seed": seed,
    }
    missing = {**scores.missing, **scores.failed}
    statistics = dict(scores.statistics)
    return Evaluation(metrics, table, signature, statistics, missing, tuple(scores.failed))


def _theirs(compute: Compute, given: MetricInputs) -> Scores:
    """What a metric of somebody's returns, checked; its errors are said with its name and line."""
    function: Any = compute.func if isinstance(compute, partial) else compute
    name = getattr(function, "__qualname__", type(function).__qualname__)
    label = f"metric '{function.__module__}:{name}'"
    try:
        found = compute(given)
        if not isinstance(found, Scores):
            raise ConfigError(f"{label} returns a {type(found).__name__}", "return `Scores`")
        found.check(label, len(given.captions))
    except GegError:
        raise
    except Exception as error:  # whatever their code leads to
        frames = [x for x in extract_tb(error.__traceback__) if x.filename != __file__]
        place = f" ({frames[0].filename}, line {frames[0].lineno})" if frames else ""
        what = f"{label} failed: {type(error).__name__}: {error}{place}"
        raise ConfigError(what, "mend it, or take it out of `metrics`") from error
    return found


def _signature(pictures: Pictures) -> dict[str, Any]:
    """What the signature says of the pictures."""
    clip, groups = pictures.clip, pictures.groups
    return {
        "clip": clip.name,
        "clip_digest": clip.digest,
        "images": len(pictures.table.images),
        "K": groups.k,
        "groups": {name: groups.key[name] for name in _OF_GROUPS} if groups.key else None,
    }
