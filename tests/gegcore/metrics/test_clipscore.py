"""CLIPScore against numbers by hand and a slow version."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from gegcore.errors import DataError
from gegcore.metrics.clipscore import clip_scores


def test_by_hand() -> None:
    text = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    image = torch.tensor([[0.6, 0.8], [0.0, -1.0], [1.0, 0.0]])
    reference = torch.tensor([[0.0, 1.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
    scores = clip_scores(text, image, reference, torch.tensor([0, 0, 1, 2]))
    # 2.5 x 0.6; opposite: 0; 2.5.
    assert scores.per_caption["CLIPScore"].tolist() == pytest.approx([150, 0, 250])
    # Harmonic means of 1.5 and 0.8 (the closer of two), 0 and 1, 2.5 and 0.
    expected = [100 * 2 * 1.5 * 0.8 / 2.3, 0, 0]
    assert scores.per_caption["RefCLIPScore"].tolist() == pytest.approx(expected)
    assert scores.statistics["CLIPScore"].value() == pytest.approx(400 / 3)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 4))
def test_like_a_slow_version(seed: int, captions: int, references: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    text, image = torch.randn(2, captions, 5, generator=generator)
    reference = torch.randn(captions * references, 5, generator=generator)
    owner = torch.arange(captions).repeat(references)[torch.randperm(len(reference))]
    found = clip_scores(text, image, reference, owner).per_caption
    for m in range(captions):
        fit = 2.5 * max(float(F.cosine_similarity(text[m], image[m], dim=0)), 0)
        cosines = [float(F.cosine_similarity(text[m], r, dim=0)) for r in reference[owner == m]]
        closest = max(0.0, *cosines)
        both = 2 * fit * closest / (fit + closest) if fit + closest else 0.0
        assert found["CLIPScore"][m] == pytest.approx(100 * fit, abs=1e-4)
        assert found["RefCLIPScore"][m] == pytest.approx(100 * both, abs=1e-4)


def test_a_caption_without_reference_is_named() -> None:
    with pytest.raises(DataError, match="no reference"):
        clip_scores(torch.eye(2), torch.eye(2), torch.eye(2), torch.tensor([0, 0]))
