"""Table 1 of our own: three retrievers, and the verdict on the paper's claim."""

from __future__ import annotations

import re

import torch
from emoji_scenes.judges import Judged
from torch.nn import functional as F

from bookkit.report.judges import table_1
from gegcore.embeddings import EmbeddingTable

IMAGES = 60


def embedded(noise: float) -> EmbeddingTable:
    """Two captions an image; the more noise, the worse they retrieve."""
    g = torch.Generator().manual_seed(1)
    images = F.normalize(torch.randn(IMAGES, 16, generator=g), dim=-1)
    owner = torch.arange(IMAGES).repeat_interleave(2)
    captions = images[owner] + noise * torch.randn(2 * IMAGES, 16, generator=g)
    return EmbeddingTable(images, F.normalize(captions, dim=-1), owner, {})


def shown(clip: float, vse: float) -> str:
    judges = {"judge CLIP": Judged(None, embedded(clip)), "VSE++": Judged(None, embedded(vse))}  # type: ignore[arg-type]
    return table_1(embedded(clip), judges)._repr_html_()


def test_retrievers_stand_beside_the_paper_s() -> None:
    page = shown(0.2, 0.5)
    rows = re.findall(r'scope="row">([^<]+)</th><td>([\d.]+)', page)
    assert [name for name, _ in rows] == [
        "CLIP of the reward", "judge CLIP", "VSE++", "VSE++", "CLIP",
    ]  # fmt: skip
    assert float(rows[0][1]) > float(rows[2][1])
    assert rows[3:] == [("VSE++", "24.1"), ("CLIP", "30.4")]


def test_the_verdict_follows_the_numbers() -> None:
    assert "CLIP retrieves better holds here" in shown(0.1, 0.6)
    assert "CLIP retrieves better does not hold here" in shown(0.6, 0.1)
    assert "CLIP retrieves better is not decided here" in shown(0.3, 0.3)
