"""Whether a CLIP measures as it is known to: the gate before any R@K-CLIP on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gegcore.embeddings import EmbeddingTable
from gegcore.metrics.retrieval import recall_at, retrieval_ranks

TOLERANCE = 0.3
"""Percentage points; another crop, half precision or the wrong activation cost more."""


def calibration(table: EmbeddingTable, published: Mapping[str, float]) -> dict[str, Any]:
    """R@K in percent of all reference captions of a split, beside what is published of this CLIP.

    Args:
        table: of the split test.
        published: `R@1` and so on, text to image.

    Returns: published, measured, tolerance, n (captions), dtype of the embeddings, and passed.

    Source: `docs/openclip_retrieval_results.csv` of open_clip, MSCOCO's 5,000 test images.
    """
    ranks = retrieval_ranks(table.captions, table.images, table.caption_image)
    measured = {name: 100 * recall_at(ranks, int(name.removeprefix("R@"))) for name in published}
    off = max((abs(measured[name] - value) for name, value in published.items()), default=0.0)
    return {
        "published": dict(published),
        "measured": measured,
        "tolerance": TOLERANCE,
        "n": len(ranks),
        "dtype": str(table.images.dtype).removeprefix("torch."),
        "passed": off <= TOLERANCE + 1e-9,
    }


def described(found: Mapping[str, Any]) -> str:
    """In one sentence."""
    values = ", ".join(
        f"{name} {found['measured'][name]:.2f} (published {value:.2f})"
        for name, value in found["published"].items()
    )
    verdict = "passed" if found["passed"] else "FAILED"
    return f"calibration of CLIP {verdict}: {values} of {found['n']:,} reference captions"
