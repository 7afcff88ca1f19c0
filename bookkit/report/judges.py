"""How good the judges are as retrievers: the paper's Table 1, and with our own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bookkit.report.page import Cell, Html, Row, interval, number, signed, table
from bookkit.report.paper import TABLES
from emoji_scenes.vse import NAME as VSE
from gegcore.embeddings import EmbeddingTable
from gegcore.metrics.inputs import Judged
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.metrics.uncertainty import Statistic, bootstrap, paired_difference

JUDGES = {"scenes-clip-judge": "judge CLIP", "scenes-vse": "VSE++"}

RECALLS = ("R@1", "R@5", "R@10")


def table_1(rewarded: EmbeddingTable, judged: Mapping[str, Judged]) -> Html:
    """Table 1: how often a reference caption finds its picture, by each retriever.

    Args:
        rewarded: embeddings by the CLIP that rewards.
        judged: label -> judge and its embeddings of the same split.

    Source: paper Sec. 4.1, Table 1.
    """
    tables = {"CLIP of the reward": rewarded, **{name: each.table for name, each in judged.items()}}
    rows = [Row(f"Here: embedded world, {len(rewarded.images):,} test images")]
    for name, found in tables.items():
        ranks = retrieval_ranks(found.captions, found.images, found.caption_image)
        rows.append(Row(name, recall_cells(ranks, found.caption_image)))
    rows.append(Row("Paper, Table 1: COCO, 5,000 test images"))
    for row in TABLES[1].values():
        rows.append(Row(row.name, [Cell(number(m, row.values[m])) for m in RECALLS]))
    caption = (
        f"{_clip_over_vse(tables)} "
        "Per cent of reference captions that find their image; 95 % bootstrap intervals over "
        "images. The fewer images compete, the higher: compare within a block only."
    )
    return table(RECALLS, rows, caption, corner="Retriever")


def _clip_over_vse(tables: Mapping[str, EmbeddingTable]) -> str:
    """The verdict on the paper's claim that CLIP retrieves better than VSE++, by R@1."""
    first, vse = (_found(tables[name]) for name in ("CLIP of the reward", JUDGES[VSE]))
    change = paired_difference(first, vse)
    side = "holds" if change.low > 0 else "does not hold" if change.high < 0 else "is not decided"
    return (
        f"CLIP of the reward minus VSE++, R@1: {signed('R@1', change.value)} "
        f"{interval('R@1', change.low, change.high)}, so that CLIP retrieves better {side} here."
    )


def _found(embedded: EmbeddingTable) -> np.ndarray:
    """Per cent of the captions of each image that find it, `(N,)`."""
    ranks = retrieval_ranks(embedded.captions, embedded.images, embedded.caption_image)
    owner = embedded.caption_image.numpy()
    hits = np.bincount(owner, weights=(ranks < 1).double().numpy())
    return 100 * hits / np.bincount(owner)


def recall_cells(ranks: Tensor, owner: Tensor) -> list[Cell]:
    """Recalls with intervals; captions of one image are drawn together."""
    count = torch.bincount(owner).clamp(min=1).numpy()
    parts = {}
    for k in (1, 5, 10):
        found = np.bincount(owner.numpy(), weights=(ranks < k).double().numpy())
        parts[f"R@{k}"] = Statistic.mean(100 * found / count)
    return [
        Cell(number(name, at.value), interval(name, at.low, at.high))
        for name, at in bootstrap(parts, resamples=1000).items()
    ]
