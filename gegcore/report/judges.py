"""How good the judges are as retrievers: the paper's Table 1, and with our own."""

from __future__ import annotations

from collections.abc import Mapping

from gegcore.embeddings import EmbeddingTable
from gegcore.judges import Judged
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.report.page import Cell, Html, Row, number, table
from gegcore.report.paper import TABLES
from gegcore.report.world import recall_cells

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
        "Per cent of reference captions that find their image; 95 % bootstrap intervals over "
        "images. The fewer images compete, the higher: compare within a block only."
    )
    return table(RECALLS, rows, caption, corner="Retriever")
