"""The gate: recall of reference captions, within 0.3 points of what is published."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from gegcore.embeddings import EmbeddingTable
from gegcore.metrics.calibration import TOLERANCE, calibration, described


def table(right: int, captions: int = 1000) -> EmbeddingTable:
    """Of so many captions the own image is nearest; of the others it is second."""
    images = torch.eye(4)
    owner = torch.arange(captions) % 4
    text = images[owner] + 0.1 * images[(owner + 1) % 4]
    text[right:] = 0.1 * images[owner[right:]] + images[(owner[right:] + 1) % 4]
    return EmbeddingTable(images, normalize(text, dim=-1), owner, {})


@pytest.mark.parametrize(
    ("right", "passes"), [(304, True), (301, True), (308, False), (300, False)]
)
def test_it_passes_within_the_tolerance(right: int, passes: bool) -> None:
    found = calibration(table(right), {"R@1": 30.4, "R@2": 100.0})
    assert found["measured"] == {"R@1": pytest.approx(right / 10), "R@2": 100.0}
    assert found["passed"] is passes and found["n"] == 1000 and found["dtype"] == "float32"
    assert ("passed" if passes else "FAILED") in described(found)
    assert TOLERANCE == 0.3


def test_one_recall_that_is_off_is_enough() -> None:
    assert not calibration(table(304), {"R@1": 30.4, "R@2": 99.0})["passed"]
