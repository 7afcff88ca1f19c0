"""Matrix products with weights, on a CPU by oneDNN.

PyTorch leaves float32 products on a CPU to MKL, which has no AVX-512 for processors that are not
Intel's; oneDNN, a part of PyTorch too, takes half the time there and is as fast elsewhere. Its
results are float32 as well: they differ in the last bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SMALL = 16  # a matrix that is narrower is not worth the call
_NARROW = 64  # up to here MKL sums a gradient of weights faster
_ROWS = 1024
"""oneDNN compiles every shape once, in 0.3 ms: too long for few rows, whose number changes with
every word while captions are decoded. With gradient, shapes are those of whole captions."""
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W^T + b``; shapes (..., K), (N, K), (N,) -> (..., N)."""
    alike = x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu"
    rows = x.numel() // max(1, weight.shape[1])
    if (
        not (_ONEDNN and alike and min(weight.shape) >= _SMALL and rows)
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(x, weight, bias)
    if rows < _ROWS:
        return F.linear(x, weight, bias)
    return _product(x.contiguous(), weight.contiguous(), bias)


class Linear(nn.Linear):
    """``nn.Linear`` by :func:`linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of matrices that lie in memory row by row or, transposed, column by column."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Of a matrix with gaps, such as a slice of columns, oneDNN takes a hundred times as long.
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), slope = ctx.saved_tensors, slope.contiguous()
        of_x = _product(slope, weight.t()) if ctx.needs_input_grad[0] else None
        of_weight = of_bias = None
        rows, inputs = slope.flatten(0, -2), x.flatten(0, -2)
        if ctx.needs_input_grad[1]:
            narrow = min(weight.shape) < _NARROW
            of_weight = rows.t() @ inputs if narrow else _product(rows.t(), inputs.t())
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_x, of_weight, of_bias
