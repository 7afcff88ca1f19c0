"""X-linear attention: a bilinear product of query and region decides where and what to look at.

Source: Pan et al. 2020 (X-Linear Attention Networks), Sec. 3.1, as X-modaler builds it: the
unused factor 1/sqrt(d) is left out, and the groups of the GroupNorm are the heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from gegcore.linear import Linear

if TYPE_CHECKING:
    from gegcore.models.xlan import XlanConfig


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real regions. Shapes: x (B, ..., N, d), mask (B, N) bool -> (B, ..., d)."""
    real = mask.to(x.dtype)
    weights = real / real.sum(-1, keepdim=True).clamp(min=1)
    return torch.einsum("b...nd,bn->b...d", x, weights)


class HeadNorm(nn.GroupNorm):
    """GroupNorm of vectors (M, d): a LayerNorm of each head, which is faster."""

    def forward(self, x: Tensor) -> Tensor:
        heads = x.unflatten(-1, (self.num_groups, -1))
        y = layer_norm(heads, heads.shape[-1:], eps=self.eps).flatten(-2)
        return y * self.weight + self.bias


class XLinearAttention(nn.Module):
    """One X-linear block with several heads, all of which share the three small layers."""

    def __init__(self, config: XlanConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.heads = heads
        self.query, self.query_value, self.key, self.value = (
            nn.Sequential(Linear(width, width), nn.CELU(config.celu_alpha), HeadNorm(heads, width))
            for _ in range(4)
        )
        self.bilinear = Linear(width // heads, config.attention_width)
        self.spatial = Linear(config.attention_width, 1)
        self.channel = Linear(config.attention_width, width // heads)
        self.dropout = nn.Dropout(config.bilinear_dropout)
        self.attention_dropout = nn.Dropout(config.attention_dropout)

    def project(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, once per image. Shapes: (B, N, d) -> two of (B, H, N, d/H)."""
        return self._heads(self.key, regions), self._heads(self.value, regions)

    def forward(
        self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attend from each query to the regions of its image.

        Shapes: x (B, Q, d), keys_values as ``project``, mask (B, N) bool -> output (B, Q, d) and
        the spatial attention (B, H, Q, N), which sums to 1 over the real regions.
        """
        keys, values = keys_values
        query = self._heads(self.query, x)
        product = query.unsqueeze(3) * keys.unsqueeze(2)  # (B, H, Q, N, d/H)
        product = self.attention_dropout(self.bilinear(product).relu())
        scores = self.spatial(product).squeeze(-1)
        hidden = torch.finfo(scores.dtype).min  # X-modaler: -1e9; both have exp() = 0
        spatial = scores.masked_fill(~mask[:, None, None], hidden).softmax(-1)
        channel = self.channel(masked_mean(product, mask)).sigmoid()
        y = self._heads(self.query_value, x) * (spatial @ values) * channel
        return self.dropout(y.transpose(1, 2).reshape(x.shape)), spatial

    def _heads(self, project: nn.Module, x: Tensor) -> Tensor:
        """Shapes: (B, M, d) -> (B, H, M, d/H); the GroupNorm sees one vector at a time."""
        y = project(x.flatten(0, 1)).view(*x.shape[:2], self.heads, -1)
        return y.transpose(1, 2)
