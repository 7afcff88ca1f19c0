"""What the benchmark of decoding takes for a disagreement, and what for rounding."""

from __future__ import annotations

import pytest
import torch

from benchmarks.decoding import check_beams
from gegcore.decoding import Decoded


def beams(images: int = 200) -> Decoded:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 50, (images, 3, 6), generator=generator)
    return Decoded(tokens, -torch.rand(images, 3, 6, generator=generator))


def test_a_beam_on_a_near_tie_is_no_disagreement() -> None:
    ours, naive = beams(), beams()
    naive.tokens[7, 2], naive.log_probs[7, 2] = 3, -2.0  # another caption, much less likely
    assert check_beams([ours], [naive]) == pytest.approx(1 - 1 / 600)


def test_another_score_of_one_caption_is_a_disagreement() -> None:
    ours, naive = beams(), beams()
    naive.log_probs[7, 2] -= 0.1
    with pytest.raises(SystemExit, match="disagree"):
        check_beams([ours], [naive])


def test_many_other_captions_are_a_disagreement() -> None:
    ours, naive = beams(), beams()
    naive.tokens[:5] += 1
    with pytest.raises(SystemExit, match="disagree"):
        check_beams([ours], [naive])
