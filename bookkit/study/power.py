"""How many answers a study needs, where both its participants and its pictures are a sample.

The variance of one answer (a hit or a miss: p (1 - p)) is divided into shares: of who answers, of
the picture that is asked for, of the caption that a system gave it, and the rest. More answers
make only the last one small; the second and third fall with the number of pictures.

Source: westfall2014statistical, for designs with two random factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

INTERVAL, POWER = 1.96, 0.84
"""Quantiles of the normal distribution: 95 % intervals; four of five studies find what is there."""


class Shares(NamedTuple):
    """Of the variance of one answer."""

    participant: float
    picture: float
    caption: float

    @property
    def rest(self) -> float:
        return max(1.0 - sum(self), 0.0)


def recall_error(recall: float, people: float, pictures: float, trials: float, of: Shares) -> float:
    """Standard error of R@K in points, of one system.

    Args:
        recall: R@K in per cent.
        trials: answers of a participant for this system.
    """
    one = recall * (100 - recall)
    parts = of.participant / people + (of.picture + of.caption) / pictures
    return float(np.sqrt(one * (parts + of.rest / (people * trials))))


def difference_error(
    recall: float, people: float, pictures: float, trials: float, of: Shares
) -> float:
    """The same of the difference of two systems, both asked about every picture.

    Participants and pictures are the same on both sides, and cancel; captions do not.
    """
    one = 2 * recall * (100 - recall)
    return float(np.sqrt(one * (of.caption / pictures + of.rest / (people * trials))))


def fewest(error: Callable[[int], float], at_most: float, limit: int = 10**6) -> int | None:
    """The smallest number with an error of at most so much; None if `limit` is not enough."""
    if error(limit) > at_most:
        return None
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= at_most else (middle + 1, high)
    return low


def shares(rows: pd.DataFrame, metric: str) -> Shares:
    """Measured: answers that share a participant, picture or caption vary together.

    Args:
        rows: `answers.rankings`.

    Returns:
        NaN where no two answers share it; a negative estimate is 0.
    """
    centred = rows[metric] - rows.groupby("system")[metric].transform("mean")
    whole = float((centred**2).mean())

    def pairs(side: str) -> tuple[float, float]:
        by = centred.groupby(rows[side])
        products = float((by.sum() ** 2).sum() - (centred**2).sum())
        return products, float((by.size() ** 2).sum() - len(rows))

    person, caption, picture = pairs("participant"), pairs("trial"), pairs("item")
    other = picture[0] - caption[0], picture[1] - caption[1]
    mean = [a / b / whole if b and whole else np.nan for a, b in (person, other, caption)]
    return Shares(*np.maximum([mean[0], mean[1], mean[2] - max(mean[1], 0)], 0).tolist())
