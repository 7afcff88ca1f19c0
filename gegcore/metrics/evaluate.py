"""Every metric for one captions file, with intervals, values per caption and signatures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from gegcore.clip import similarity
from gegcore.data.scenes.graph import SceneGraph
from gegcore.embeddings import DualEncoder, EmbeddingTable
from gegcore.errors import DataError
from gegcore.gap import GroupGap
from gegcore.groups import SimilarGroups
from gegcore.judges import Judged
from gegcore.metrics.clipscore import clip_scores
from gegcore.metrics.distinctiveness import bag_ranks, caption_gaps
from gegcore.metrics.group_words import group_word_scores
from gegcore.metrics.judges import judge_scores
from gegcore.metrics.language import score_tokenized
from gegcore.metrics.meteor import shared_meteor
from gegcore.metrics.retrieval import TIE_RULE, retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.spice import score_spice, spice_problem
from gegcore.metrics.tokenized import check_captions, tokenize_captions
from gegcore.metrics.truth import truth_scores
from gegcore.metrics.uncertainty import LEVEL, RESAMPLES, Statistic, bootstrap
from gegcore.metrics.words import word_scores

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
    clip_model: DualEncoder,
    table: EmbeddingTable,
    image_ids: Sequence[Hashable],
    groups: SimilarGroups,
    judges: Mapping[str, Judged] | None = None,
    scenes: Mapping[Any, SceneGraph] | None = None,
    spice: bool = True,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Score one caption per image with every metric.

    Args:
        captions: image id -> caption.
        references: image id -> reference captions; the same ids.
        clip_model: the CLIP that retrieves; it made `table` and `groups` too.
        table: embeddings of all images that compete (the whole split) and of their references.
        image_ids: N ids, in the order of the embeddings; every captioned image is among them.
        groups: the K similar images of each of the N images.
        judges: label -> a dual encoder that was not rewarded; of the same images.
        scenes: image id -> scene graph of all N images, where the truth is known.
        spice: compute SPICE, which takes minutes where captions are new; if its programs are not
            here, `Evaluation.missing` says so.
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
    index = positions(captions, image_ids, table.images)
    shared_meteor().start()  # It loads while CLIP encodes.
    said = list(captions.values())
    scores, missing = _of_words(captions, references, index, groups, spice)
    scores |= _of_embeddings(clip_model.encode_texts(said).cpu(), table, index, groups)
    for label, (judge, judged) in (judges or {}).items():
        scores |= judge_scores(label, judge, said, judged.images, index, groups)
    if scenes is not None:
        scores |= truth_scores(captions, scenes)
    metrics = {
        name: {"value": found.value, "ci95": [found.low, found.high], "n": found.n}
        for name, found in bootstrap(scores.statistics, seed, resamples).items()
    }
    columns = {"image_id": list(captions), "caption": said, **scores.per_caption}
    signature = _signature(clip_model, groups, len(said), len(table.images), seed, resamples)
    return Evaluation(
        metrics,
        pd.DataFrame(columns),
        {**scores.signature, **signature},
        dict(scores.statistics),
        missing,
    )


def _of_words(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    index: Tensor,
    groups: SimilarGroups,
    spice: bool,
) -> tuple[Scores, dict[str, str]]:
    """Metrics that read words only, and which of them could not be had."""
    given, missing = tokenize_captions(captions, references), {}
    scores = score_tokenized(given).scores()
    if not spice:
        missing["SPICE"] = "it was not asked for"
    elif problem := spice_problem():
        missing["SPICE"] = problem
    else:
        scores |= score_spice(captions, references)
    scores |= word_scores(given.captions)
    row = torch.full((len(groups.index),), -1)  # of each image of the split
    row[index] = torch.arange(len(index))
    members = row[groups.index[index]]
    if bool((members < 0).any()):
        for name in ("CIDErBtw", "DisWordRate"):
            missing[name] = "it needs references of all images of the groups: caption all of them"
    else:
        scores |= group_word_scores(given, members)
    return scores, missing


def _of_embeddings(
    text: Tensor, table: EmbeddingTable, index: Tensor, groups: SimilarGroups
) -> Scores:
    """Metrics in the space of the rewarded CLIP; `text` are the captions `(M, E)`."""
    if not bool(torch.isfinite(text).all()):
        raise DataError("CLIP embeddings of captions are NaN or infinite", "check its weights")
    images = table.images.cpu()
    row = torch.full((len(images),), -1)
    row[index] = torch.arange(len(index))
    of_caption = row[table.caption_image]
    scored = of_caption >= 0
    return (
        recall_scores(retrieval_ranks(text, images, index))
        | gap_scores(caption_gaps(text, images, index, groups))
        | bag_scores(bag_ranks(text, images, index, groups))
        | clip_scores(text, images[index], table.captions.cpu()[scored], of_caption[scored])
        | Scores({}, {"similarity": similarity(images[index], text).numpy()})
    )


def recall_scores(ranks: Tensor) -> Scores:
    """R@1, R@5 and R@10 in per cent of captions with these ranks `(M,)`, and the ranks."""
    values = ranks.numpy()
    recalls = {f"R@{k}": Statistic.mean(100.0 * (values < k)) for k in RECALL_AT}
    return Scores(recalls, {"rank": values}, {"R@K": TIE_RULE})


def gap_scores(gaps: GroupGap) -> Scores:
    """Mean GEG-Avg and GEG-Min of M captions, and the gap of each."""
    values = {"GEG-Avg": gaps.average.numpy(), "GEG-Min": gaps.minimum.numpy()}
    return Scores({name: Statistic.mean(each) for name, each in values.items()}, values)


def bag_scores(ranks: Tensor) -> Scores:
    """R@1 inside the bag of an image and its K similar ones, in per cent; ranks `(M,)`."""
    values = 100.0 * (ranks.numpy() < 1)
    return Scores({"bag R@1": Statistic.mean(values)}, {"bag R@1": values}, {"bag R@1": TIE_RULE})


def positions(captions: Mapping[Any, str], image_ids: Sequence[Hashable], images: Tensor) -> Tensor:
    """Position `(M,)` of each captioned image among the embeddings.

    Raises:
        DataError: an unknown or doubled id, or a number of ids that is not that of the embeddings.
    """
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
    clip_model: DualEncoder,
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
