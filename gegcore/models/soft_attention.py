"""Soft (additive) attention of an LSTM to the regions of its image.

Source: Xu et al. 2015 (Show, Attend and Tell), in the form of Anderson et al. 2018, Eq. 3-5.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from gegcore.linear import Linear
from gegcore.models.attention import padding_bias
from gegcore.models.config import SoftAttentionConfig
from gegcore.models.recurrent import TensorMemory


@dataclass
class RegionMemory(TensorMemory):
    """Regions ready to be attended to."""

    values: Tensor  # (B, N, V), zero where padded
    keys: Tensor  # (B, N, A)
    bias: Tensor  # (B, 1, N), hides padded regions


class SoftAttention(nn.Module):
    """``a = softmax_i(w . tanh(W_h h + W_p v_i + b_p))``, ``z = sum_i a_i v_i``.

    Dropout acts on the tanh. Neither w nor W_h has a bias.
    """

    def __init__(self, region_width: int, config: SoftAttentionConfig) -> None:
        super().__init__()
        width = config.attention_width
        self.query = Linear(config.hidden_width, width, bias=False)
        self.key = Linear(region_width, width)
        self.score = Linear(width, 1, bias=False)
        self.dropout = nn.Dropout(config.attention_dropout)

    def remember(self, values: Tensor, mask: Tensor) -> RegionMemory:
        """What can be computed once per image. Shapes: values (B, N, V), mask (B, N) bool."""
        return RegionMemory(values, self.key(values), padding_bias(mask, values).squeeze(1))

    def forward(self, h: Tensor, regions: RegionMemory) -> tuple[Tensor, Tensor]:
        """Shapes: h (B, S, H) -> context z (B, S, V), weights a (B, S, N)."""
        x = (self.query(h).unsqueeze(2) + regions.keys.unsqueeze(1)).tanh()
        weights = (self.score(self.dropout(x)).squeeze(-1) + regions.bias).softmax(-1)
        return weights @ regions.values, weights


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real regions; zero for an image without any.

    Shapes: values (B, N, V), zero where padded; mask (B, N) bool -> (B, V).
    """
    return values.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
