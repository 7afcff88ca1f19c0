"""Products by oneDNN are those of PyTorch, however their matrices lie in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gegcore import linear as module
from gegcore.linear import Linear, linear


def matrices(layout: str, rows: int, wide: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(wide, 3 * 80, generator=g)[:, 80:160]  # a slice, as an LSTM takes
    x = torch.randn(rows, 5, 80, generator=g)
    if layout == "transposed":
        x, weight = x.transpose(0, 1), torch.randn(80, wide, generator=g).t()
    return x, weight, torch.randn(wide, generator=g)


@pytest.mark.parametrize("wide", [1, 32, 96])
@pytest.mark.parametrize("layout", ["slice", "transposed"])
@pytest.mark.parametrize("biased", [True, False])
def test_value_and_gradients_are_those_of_torch(layout: str, wide: int, biased: bool) -> None:
    found = []
    for product in (linear, F.linear):
        x, weight, bias = (m.detach().requires_grad_() for m in matrices(layout, 40, wide))
        y = product(x, weight, bias if biased else None)
        y.square().sum().backward()
        found.append([y, x.grad, weight.grad, bias.grad])
    for ours, theirs in zip(*found, strict=True):
        if theirs is None:
            assert ours is None
        else:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 400])
def test_without_gradient_it_is_the_same(rows: int) -> None:
    x, weight, bias = matrices("slice", rows, 96)
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias))
        assert linear(x[:0], weight, bias).shape == (0, 5, 96)


def test_only_float32_outside_of_autocast_is_left_to_onednn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_product", None)  # not callable
    x, weight, bias = matrices("slice", 400, 96)
    assert linear(x.double(), weight.double(), bias.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight, bias).dtype == torch.bfloat16
    if module._ONEDNN:
        with pytest.raises(TypeError):
            linear(x, weight, bias)


def test_a_frozen_layer_gets_no_gradient() -> None:
    layer = Linear(80, 96).requires_grad_(False)
    x = torch.randn(3, 80, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(3, -1))
