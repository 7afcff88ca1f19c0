"""A line beside a score names what decides it, and no more."""

from __future__ import annotations

import pytest

from gegcore import __version__
from gegcore.evaluation.signatures import signature_line

SIGNATURE = {
    "tokenizer": "PTB",
    "BLEU": "corpus",
    "R@K": "ties rank before",
    "CIDErBtw": "CIDEr-D",
    "clip": "ViT",
    "clip_digest": "01",
    "K": 5,
    "captions": 7,
}


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("BLEU-4", "corpus|tok:PTB"),
        ("length", "tok:PTB"),
        ("R@10", "ties rank before|clip:ViT@01"),
        ("GEG-Avg", "clip:ViT@01|K:5"),
        ("bag R@1", "clip:ViT@01|K:5"),
        ("RefCLIPScore", "clip:ViT@01"),
        ("CIDErBtw", "CIDEr-D|tok:PTB|clip:ViT@01|K:5"),
    ],
)
def test_what_decides_a_score_is_in_its_line(metric: str, said: str) -> None:
    line = signature_line(metric, SIGNATURE, "feed")
    assert line.startswith(f"{metric}|")
    assert line.endswith(f"{said}|N:7|refs:feed|gegcore:{__version__}")
