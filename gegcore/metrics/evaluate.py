"""Every metric of Table 2 for one captions file, with intervals, per-caption values, signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from gegcore.clip import ClipModel, similarity
from gegcore.errors import DataError
from gegcore.gap import GroupGap
from gegcore.groups import SimilarGroups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.metrics.language import (
    LanguageScores,
    check_captions,
    language_signature,
    score_language,
)
from gegcore.metrics.meteor import shared_meteor
from gegcore.metrics.retrieval import TIE_RULE, retrieval_ranks
from gegcore.metrics.uncertainty import LEVEL, RESAMPLES, Statistic, bootstrap

RECALL_AT = (1, 5, 10)
_LANGUAGE = ("CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L")


@dataclass(frozen=True)
class Evaluation:
    """What is stored of a captions file.

    Attributes:
        metrics: name -> {"value", "ci95": [low, high], "n"}. Language metrics and R@K are times
            100 as in the paper's tables, GEG is raw.
        per_caption: one row a caption: image_id, caption, CIDEr, METEOR, ROUGE-L (times 100),
            rank (0 = own image retrieved first), GEG-Avg, GEG-Min, similarity (Eq. 1).
        signature: versions, tokenizer, CLIP and its digest, numbers of images and captions, K.
        statistics: name -> `Statistic`, for paired differences to another evaluation of the same
            images (`uncertainty.paired_difference`).
    """

    metrics: dict[str, dict[str, Any]]
    per_caption: pd.DataFrame
    signature: dict[str, Any]
    statistics: dict[str, Statistic]


def evaluate_captions(
    captions: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
    clip_model: ClipModel,
    image_embeddings: Tensor,
    image_ids: Sequence[int],
    groups: SimilarGroups,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Score one caption per image with every metric of the paper (SPICE apart).

    Args:
        captions: image id -> caption.
        references: image id -> reference captions; the same ids.
        clip_model: the CLIP that retrieves; it made `image_embeddings` and `groups` too.
        image_embeddings: `(N, E)`, L2-normalised, all images that compete (the whole split).
        image_ids: N ids, in the order of the embeddings; every captioned image is among them.
        groups: the K similar images of each of the N images.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        DataError: captions that cannot be scored (`score_language`), ids that are not among
            `image_ids`, ids listed twice, or embeddings that do not fit.
        ConfigError: fewer than one resample.
        MissingDependencyError: no Java.
        ToolError: a Java program failed.

    Source: paper Sec. 3.3 and Table 2.
    """
    check_captions(captions, references)
    index = _positions(captions, image_ids, image_embeddings)
    shared_meteor().start()  # It loads while CLIP encodes.
    text = clip_model.encode_texts(list(captions.values())).cpu()
    if not bool(torch.isfinite(text).all()):
        raise DataError("CLIP embeddings of captions are NaN or infinite", "check its weights")
    images = image_embeddings.cpu()
    ranks = retrieval_ranks(text, images, index)
    gaps = caption_gaps(text, images, index, groups)
    language = score_language(captions, references)
    statistics = _statistics(language, ranks, gaps)
    metrics = {
        name: {"value": found.value, "ci95": [found.low, found.high], "n": found.n}
        for name, found in bootstrap(statistics, seed, resamples).items()
    }
    table = pd.DataFrame(
        {
            "image_id": list(captions),
            "caption": list(captions.values()),
            "CIDEr": 100 * language.cider,
            "METEOR": 100 * language.meteor,
            "ROUGE-L": 100 * language.rouge_l,
            "rank": ranks.numpy(),
            "GEG-Avg": gaps.average.numpy(),
            "GEG-Min": gaps.minimum.numpy(),
            "similarity": similarity(images[index], text).numpy(),
        }
    )
    signature = _signature(clip_model, groups, len(captions), len(images), seed, resamples)
    return Evaluation(metrics, table, signature, statistics)


def _positions(captions: Mapping[int, str], image_ids: Sequence[int], images: Tensor) -> Tensor:
    """Position `(M,)` of each captioned image among the embeddings."""
    position = {image: index for index, image in enumerate(image_ids)}
    if len(image_ids) != len(images):
        raise DataError(
            f"{len(image_ids)} image ids but {len(images)} image embeddings",
            "give one id for each embedding",
        )
    if len(position) != len(image_ids):
        raise DataError("image ids are listed twice", "give each image one id")
    unknown = [image for image in captions if image not in position]
    if unknown:
        raise DataError(
            f"{len(unknown)} captioned images have no embedding, for example {unknown[0]!r}",
            "embed every image of the split with this CLIP",
        )
    return torch.tensor([position[image] for image in captions])


def _statistics(language: LanguageScores, ranks: Tensor, gaps: GroupGap) -> dict[str, Statistic]:
    """All metrics on the scale of the paper's tables."""
    scored = language.statistics
    return {
        **{name: scored[name].scaled(100) for name in _LANGUAGE},
        **{f"R@{k}": Statistic.mean(100.0 * (ranks.numpy() < k)) for k in RECALL_AT},
        "GEG-Avg": Statistic.mean(gaps.average.numpy()),
        "GEG-Min": Statistic.mean(gaps.minimum.numpy()),
    }


def _signature(
    clip_model: ClipModel,
    groups: SimilarGroups,
    captions: int,
    images: int,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    return {
        **language_signature(),
        "clip": clip_model.name,
        "clip_digest": clip_model.digest,
        "retrieval": TIE_RULE,
        "captions": captions,
        "images": images,
        "K": groups.k,
        "groups": asdict(groups.source) if groups.source else None,
        "interval": f"{LEVEL:.0%} percentile bootstrap over images",
        "resamples": resamples,
        "seed": seed,
    }
