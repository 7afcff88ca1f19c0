"""Eq. 3 and Eq. 4 against a loop that is the formula, word for word."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gegcore.errors import ConfigError
from gegcore.gap import group_embedding_gap


def unit(*shape: int, seed: int) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(values, dim=-1)


@settings(deadline=None, max_examples=30)
@given(
    batch=st.integers(1, 4),
    samples=st.integers(1, 3),
    k=st.integers(1, 6),
    width=st.integers(2, 9),
    seed=st.integers(0, 99),
)
def test_equals_the_formula(batch: int, samples: int, k: int, width: int, seed: int) -> None:
    text = unit(batch, samples, width, seed=seed)
    target = unit(batch, 1, width, seed=seed + 1)
    group = unit(batch, 1, k, width, seed=seed + 2)
    average, minimum = group_embedding_gap(text, target, group)
    assert average.shape == minimum.shape == (batch, samples)
    for b in range(batch):
        for s in range(samples):
            own = float(text[b, s] @ target[b, 0])
            others = [float(text[b, s] @ group[b, 0, j]) for j in range(k)]
            assert float(average[b, s]) == pytest.approx(own - sum(others) / k, abs=1e-5)
            assert float(minimum[b, s]) == pytest.approx(own - max(others), abs=1e-5)


def test_group_of_one_has_one_gap() -> None:
    gap = group_embedding_gap(unit(5, 8, seed=1), unit(5, 8, seed=2), unit(5, 1, 8, seed=3))
    torch.testing.assert_close(gap.average, gap.minimum)


def test_own_image_repeated_as_group_has_no_gap() -> None:
    target = unit(4, 8, seed=1)
    gap = group_embedding_gap(unit(4, 8, seed=2), target, target[:, None].expand(4, 3, 8))
    torch.testing.assert_close(gap.average, torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(gap.minimum, torch.zeros(4), atol=1e-6, rtol=0)


def test_single_caption_without_batch_and_half_precision_give_float32() -> None:
    gap = group_embedding_gap(
        unit(8, seed=1).bfloat16(), unit(8, seed=2).half(), unit(3, 8, seed=3)
    )
    assert gap.average.shape == () and gap.average.dtype == torch.float32


def test_gradients() -> None:
    inputs = [unit(2, 3, seed=1), unit(2, 3, seed=2), unit(2, 4, 3, seed=3)]
    leaves = [value.clone().requires_grad_() for value in inputs]
    group_embedding_gap(*leaves).average.sum().backward()
    torch.testing.assert_close(leaves[0].grad, inputs[1] - inputs[2].mean(1))
    torch.testing.assert_close(leaves[1].grad, inputs[0])


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"widths \[8, 9\]"):
        group_embedding_gap(unit(2, 8, seed=1), unit(2, 9, seed=2), unit(2, 3, 8, seed=3))
    with pytest.raises(ConfigError, match="K = 0"):
        group_embedding_gap(unit(2, 8, seed=1), unit(2, 8, seed=2), unit(2, 1, 8, seed=3)[:, :0])
