"""How words enter Transformer and Meshed-Memory, and regions most captioners.

Source: X-modaler's TokenBaseEmbedding with SinusoidEncoding, and VisualBaseEmbedding; LayerNorm eps
is 1e-5 in both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gegcore.errors import ConfigError
from gegcore.linear import Linear


def sinusoid_table(positions: int, width: int) -> Tensor:
    """``PE[t, 2k] = sin(t / 10000^(2k/d))``, ``PE[t, 2k+1] = cos(same)``.

    Shapes: -> (positions, width) float32. Source: Vaswani et al. 2017, Sec. 3.5.
    """
    frequency = torch.exp(torch.arange(0, width, 2).float() * -(math.log(10000.0) / width))
    angle = torch.arange(positions).float().unsqueeze(1) * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class WordEmbedding(nn.Module):
    """``dropout(LN(E[w] + PE[t]))``, without the factor sqrt(d) of Vaswani et al."""

    positions: Tensor

    def __init__(self, vocab_size: int, width: int, dropout: float, max_positions: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        table = sinusoid_table(max_positions, width)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Shapes: tokens (..., T) long, the first at position ``start`` -> (..., T, d)."""
        end = start + tokens.shape[-1]
        self.check_length(end)
        return self.dropout(self.norm(self.embedding(tokens) + self.positions[start:end]))

    def one(self, tokens: Tensor, position: int | Tensor) -> Tensor:
        """One word of every row. Shapes: tokens (R,) long at ``position``, or (R,) -> (R, d).

        Positions that are a tensor are not checked: their values are not known on the host.
        """
        if isinstance(position, Tensor):
            place = self.positions.index_select(0, position.view(-1))
            return self.dropout(self.norm(self.embedding(tokens) + place))
        return self(tokens.unsqueeze(1), position).squeeze(1)

    def check_length(self, steps: int) -> None:
        """Raise ConfigError if captions of this many steps exceed the table of positions."""
        if steps > len(self.positions):
            raise ConfigError(
                f"a caption of {steps} steps exceeds max_positions={len(self.positions)}",
                "build the model with a larger max_positions, or decode with a smaller max_len",
            )


class RegionEmbedding(nn.Module):
    """``dropout(LN(relu(W x + b)))``, optionally ``+ W_box box + b_box`` before LN, or no LN."""

    def __init__(
        self, region_dim: int, width: int, dropout: float, boxes: bool = False, norm: bool = True
    ) -> None:
        super().__init__()
        self.linear = Linear(region_dim, width)
        self.box = Linear(4, width) if boxes else None
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, regions: Tensor, boxes: Tensor, mask: Tensor) -> Tensor:
        """What is in a padded region does not enter the model, even if an image has no others.

        Shapes: regions (B, N, Dr), boxes (B, N, 4) in [0, 1] xyxy, mask (B, N) bool -> (B, N, d),
        zero where mask is False.
        """
        x = self.linear(regions).relu()
        if self.box is not None:
            x = x + self.box(boxes)
        return self.dropout(self.norm(x)).masked_fill(~mask.unsqueeze(-1), 0.0)
