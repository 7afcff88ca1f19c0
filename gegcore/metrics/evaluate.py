"""Every metric for one captions file, with intervals, values per caption and signatures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from gegcore.clip import ClipModel, similarity
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import DataError
from gegcore.gap import GroupGap
from gegcore.groups import SimilarGroups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.metrics.language import score_tokenized
from gegcore.metrics.meteor import shared_meteor
from gegcore.metrics.retrieval import TIE_RULE, retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.tokenized import check_captions, tokenize_captions
from gegcore.metrics.uncertainty import LEVEL, RESAMPLES, Statistic, bootstrap

RECALL_AT = (1, 5, 10)


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
    """

    metrics: dict[str, dict[str, Any]]
    per_caption: pd.DataFrame
    signature: dict[str, Any]
    statistics: dict[str, Statistic]
    missing: dict[str, str] = field(default_factory=dict)


def evaluate_captions(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    clip_model: ClipModel,
    table: EmbeddingTable,
    image_ids: Sequence[Hashable],
    groups: SimilarGroups,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Score one caption per image with every metric of the paper (SPICE apart).

    Args:
        captions: image id -> caption.
        references: image id -> reference captions; the same ids.
        clip_model: the CLIP that retrieves; it made `table` and `groups` too.
        table: embeddings of all images that compete (the whole split) and of their references.
        image_ids: N ids, in the order of the embeddings; every captioned image is among them.
        groups: the K similar images of each of the N images.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        DataError: captions that cannot be scored (`check_captions`), ids that are not among
            `image_ids`, ids listed twice, or embeddings that do not fit.
        ConfigError: fewer than one resample.
        MissingDependencyError: no Java.
        ToolError: a Java program failed.

    Source: paper Sec. 3.3 and Table 2.
    """
    check_captions(captions, references)
    index = _positions(captions, image_ids, table.images)
    shared_meteor().start()  # It loads while CLIP encodes.
    text = clip_model.encode_texts(list(captions.values())).cpu()
    if not bool(torch.isfinite(text).all()):
        raise DataError("CLIP embeddings of captions are NaN or infinite", "check its weights")
    images = table.images.cpu()
    scores = (
        score_tokenized(tokenize_captions(captions, references)).scores()
        | recall_scores(retrieval_ranks(text, images, index))
        | gap_scores(caption_gaps(text, images, index, groups))
        | Scores({}, {"similarity": similarity(images[index], text).numpy()})
    )
    metrics = {
        name: {"value": found.value, "ci95": [found.low, found.high], "n": found.n}
        for name, found in bootstrap(scores.statistics, seed, resamples).items()
    }
    said = pd.DataFrame(
        {"image_id": list(captions), "caption": list(captions.values()), **scores.per_caption}
    )
    signature = _signature(clip_model, groups, len(captions), len(images), seed, resamples)
    return Evaluation(metrics, said, {**scores.signature, **signature}, dict(scores.statistics))


def recall_scores(ranks: Tensor) -> Scores:
    """R@1, R@5 and R@10 in per cent of captions with these ranks `(M,)`, and the ranks."""
    values = ranks.numpy()
    recalls = {f"R@{k}": Statistic.mean(100.0 * (values < k)) for k in RECALL_AT}
    return Scores(recalls, {"rank": values}, {"R@K": TIE_RULE})


def gap_scores(gaps: GroupGap) -> Scores:
    """Mean GEG-Avg and GEG-Min of M captions, and the gap of each."""
    values = {"GEG-Avg": gaps.average.numpy(), "GEG-Min": gaps.minimum.numpy()}
    return Scores({name: Statistic.mean(each) for name, each in values.items()}, values)


def _positions(
    captions: Mapping[Any, str], image_ids: Sequence[Hashable], images: Tensor
) -> Tensor:
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


def _signature(
    clip_model: ClipModel,
    groups: SimilarGroups,
    captions: int,
    images: int,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    return {
        "clip": clip_model.name,
        "clip_digest": clip_model.digest,
        "captions": captions,
        "images": images,
        "K": groups.k,
        "groups": asdict(groups.source) if groups.source else None,
        "interval": f"{LEVEL:.0%} percentile bootstrap over images",
        "resamples": resamples,
        "seed": seed,
    }
