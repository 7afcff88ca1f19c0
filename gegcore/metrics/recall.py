"""R@1, R@5 and R@10 as metrics of a captions file, under the CLIP of the reward."""

from __future__ import annotations

from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.retrieval import TIE_RULE, retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

RECALL_AT = (1, 5, 10)


def recall_metric(given: MetricInputs) -> Scores:
    """R@K in per cent of captions, and the rank of each caption's own image.

    Source: paper Sec. 3.3 (R@K-CLIP).
    """
    ranks = retrieval_ranks(given.text, given.images, given.index).numpy()
    return Scores(
        {f"R@{k}": Statistic.mean(100.0 * (ranks < k)) for k in RECALL_AT},
        {"rank": ranks},
        {"R@K": TIE_RULE},
    )
