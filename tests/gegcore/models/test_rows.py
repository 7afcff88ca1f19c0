"""Rows of images in any number, folded to one block per image and back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gegcore.models.rows import Rows


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any))
def test_rows_are_folded_by_image_and_back(counts: list[int]) -> None:
    image = torch.tensor([b for b, count in enumerate(counts) for _ in range(count)])
    present = [b for b, count in enumerate(counts) if count]
    x = torch.arange(1, len(image) + 1)[:, None].expand(-1, 3)
    rows = Rows.uniform(len(counts), 2, image.device).keep(2 * image)
    for found, images in ((rows, range(len(counts))), (rows.without_gaps(), present)):
        folded = found.fold(x)
        assert folded.shape == (len(images), max(counts), 3)
        for block, b in zip(folded, images, strict=True):
            expected = [r + 1 for r, of in enumerate(image.tolist()) if of == b]
            assert block[:, 0].tolist() == expected + [0] * (max(counts) - counts[b])
        assert torch.equal(found.unfold(folded), x)
        assert torch.equal(torch.tensor(images)[found.image()], image)
