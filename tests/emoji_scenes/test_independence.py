"""Errors that judges share: what is the captions' fault, and what is the judges'."""

from __future__ import annotations

import numpy as np
import pytest

from emoji_scenes.independence import shared_errors

N = 400


def judge(rng: np.random.Generator, hard: np.ndarray, own: np.ndarray | float = 0.0) -> np.ndarray:
    """Similarities that are random, lower on the diagonal where a caption is hard."""
    scores = rng.normal(size=(N, N)) + own
    return scores + np.diag(4 - 4 * hard)


def test_a_judge_shares_all_its_errors_with_itself() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(N)
    scores = judge(rng, hard)
    found = shared_errors(scores, scores * 3 + 1, 1 - hard)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_judges_that_have_nothing_in_common_share_nothing() -> None:
    rng = np.random.default_rng(1)
    nobody = np.full(N, 0.5)
    first, second = judge(rng, nobody), judge(rng, nobody)
    found = shared_errors(first, second, rng.random(N))
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=0.15)


def test_hard_captions_mislead_all_judges_and_the_listener_tells() -> None:
    rng = np.random.default_rng(2)
    hard = rng.random(N)
    found = shared_errors(judge(rng, hard), judge(rng, hard), 1 - hard)
    assert found["ranks"] > 0.4 and found["misses"] > 0.2
    assert abs(found["ranks, listener fixed"]) < found["ranks"] / 2
    assert found["same wrong image"] < 0.1


def test_errors_that_come_from_a_common_source_remain() -> None:
    rng = np.random.default_rng(3)
    hard, common = rng.random(N), 3 * rng.normal(size=(N, N))
    found = shared_errors(judge(rng, hard, common), judge(rng, hard, common), 1 - hard)
    assert found["ranks, listener fixed"] > 0.3 and found["same wrong image"] > 0.3


def test_nothing_varies() -> None:
    perfect = np.eye(3)
    assert np.isnan(list(shared_errors(perfect, perfect, np.ones(3)).values())).all()
