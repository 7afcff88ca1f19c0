"""Captions among the images of their split and of their groups: R@K, GEG-Avg, GEG-Min, bag R@1."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.groups import SimilarGroups
from gegcore.metrics.gaps import caption_gaps, captions_at_once
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.retrieval import TIE, TIE_RULE, retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic


def recall_metric(given: MetricInputs) -> Scores:
    """R@K in per cent of captions, and the rank of each caption's own image."""
    ranks = retrieval_ranks(given.text, given.images, given.index).numpy()
    recalls = {f"R@{k}": Statistic.mean(100.0 * (ranks < k)) for k in (1, 5, 10)}
    return Scores(recalls, {"rank": ranks}, {"R@K": TIE_RULE})


def gap_metric(given: MetricInputs) -> Scores:
    """Mean GEG-Avg and GEG-Min, and the gap of each caption."""
    gaps = caption_gaps(given.text, given.images, given.index, given.seen.groups)
    return Scores.means({"GEG-Avg": gaps.average.numpy(), "GEG-Min": gaps.minimum.numpy()})


def bag_metric(given: MetricInputs) -> Scores:
    """R@1 inside the bag of an image and its K similar ones, in per cent."""
    ranks = bag_ranks(given.text, given.images, given.index, given.seen.groups)
    return Scores.means({"bag R@1": 100.0 * (ranks.numpy() < 1)}, {"bag R@1": TIE_RULE})


def bag_ranks(
    text_emb: Tensor, image_emb: Tensor, image_index: Tensor, groups: SimilarGroups
) -> Tensor:
    """Rank `(M,)` of each caption's own image in its bag: itself and its K similar images.

    Ties count against the caption, as in `retrieval_ranks`. A caption is nearest to its own image
    in the bag exactly if its GEG-Min is positive. Arguments as in `caption_gaps`.
    """
    images, rows, ranks = image_emb.double(), captions_at_once(groups, image_emb), []
    for text, target in zip(text_emb.double().split(rows), image_index.split(rows), strict=True):
        own = torch.linalg.vecdot(text, images[target])
        members = images[groups.index[target.to(groups.index.device)].to(images.device)]
        others = torch.linalg.vecdot(text[:, None], members)
        ranks.append((others >= own[:, None] - TIE).sum(dim=1))
    return torch.cat(ranks)
