"""All metrics of one captions file in one call, with intervals and per-caption values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gegcore.clip import ClipModel
from gegcore.errors import DataError
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups
from gegcore.metrics.language import LanguageScores, bleu_of, meteor_of, score_language
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.metrics.uncertainty import percentile_interval, resample_counts


@dataclass(frozen=True)
class Evaluation:
    """Everything measured of one captions file.

    Attributes:
        metrics: name -> {"value", "ci95", "n"}; language metrics and R@K times 100, as in the
            paper's tables, GEG as it is.
        per_caption: one row an image.
        signature: what a number depends on besides the captions.
    """

    metrics: dict[str, dict[str, Any]]
    per_caption: pd.DataFrame
    signature: dict[str, Any]


def evaluate_captions(
    captions: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
    clip: ClipModel,
    image_embeddings: Tensor,
    image_ids: Sequence[int],
    groups: SimilarGroups,
    resamples: int = 2_000,
    seed: int = 0,
) -> Evaluation:
    """Score one caption per image of a split.

    Args:
        captions: image id -> caption.
        references: image id -> reference captions.
        clip: scores similarity (Eq. 1).
        image_embeddings: `(N, E)` of the whole split, in the order of `image_ids`.
        image_ids: `(N,)`.
        groups: similar images of the split (Sec. 3.2).
        resamples: bootstrap resamples over images for the 95 % intervals.
        seed: of the bootstrap.

    Raises:
        DataError: captions, references and images that do not fit together.
        ToolError: Java failed.
    """
    position = {image: at for at, image in enumerate(image_ids)}
    unknown = [image for image in captions if image not in position]
    if unknown:
        raise DataError(f"caption of image {unknown[0]}, which is not in the split",
                        "evaluate captions of the split's own images")
    language = score_language(captions, references)
    own = torch.tensor([position[image] for image in language.ids])
    text = clip.encode_texts([captions[image] for image in language.ids]).cpu()
    images = image_embeddings.cpu()
    ranks = retrieval_ranks(text, images, own)
    gap = group_embedding_gap(text, images[own], images[groups.index[own]])
    table = pd.DataFrame({
        "image_id": language.ids,
        "caption": [captions[image] for image in language.ids],
        "CIDEr": language.cider,
        "METEOR": language.meteor,
        "ROUGE-L": language.rouge,
        "rank": ranks.numpy(),
        "GEG-Avg": gap.average.double().numpy(),
        "GEG-Min": gap.minimum.double().numpy(),
        "similarity": (text * images[own]).sum(-1).double().numpy(),
    })
    counts = resample_counts(len(table), resamples, seed)
    return Evaluation(_metrics(table, language, counts), table, _signature(clip, images, groups))


def _metrics(
    table: pd.DataFrame, language: LanguageScores, counts: np.ndarray
) -> dict[str, dict[str, Any]]:
    n = len(table)
    means = {
        "CIDEr": 100 * table["CIDEr"].to_numpy(),
        "ROUGE-L": 100 * table["ROUGE-L"].to_numpy(),
        **{f"R@{k}": 100.0 * (table["rank"] < k).to_numpy() for k in (1, 5, 10)},
        "GEG-Avg": table["GEG-Avg"].to_numpy(),
        "GEG-Min": table["GEG-Min"].to_numpy(),
    }
    drawn = {name: counts @ values / n for name, values in means.items()}
    value = {name: float(values.mean()) for name, values in means.items()}
    # Corpus metrics are no means: resample the sums that they are computed from.
    bleu = 100 * bleu_of(language.bleu_statistics.sum(0))
    bleu_drawn = 100 * bleu_of(counts @ language.bleu_statistics)
    for order in range(4):
        value[f"BLEU-{order + 1}"] = float(bleu[order])
        drawn[f"BLEU-{order + 1}"] = bleu_drawn[:, order]
    value["METEOR"] = 100 * language.meteor_corpus
    drawn["METEOR"] = 100 * meteor_of(counts @ language.meteor_statistics)
    order_of_table = ("CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L",
                      "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min")
    return {
        name: {"value": value[name], "ci95": percentile_interval(drawn[name]), "n": n}
        for name in order_of_table
    }


def _signature(clip: ClipModel, images: Tensor, groups: SimilarGroups) -> dict[str, Any]:
    return {
        "language": f"pycocoevalcap {importlib.metadata.version('pycocoevalcap')}, PTB tokenizer",
        "clip": clip.name,
        "clip_digest": clip.digest,
        "images": len(images),
        "K": groups.k,
        "ties": "count against the caption",
    }
