"""Attention with several heads, for whole captions and for one word at a time, and the FFN.

Source: Vaswani et al. 2017, Sec. 3.2 and 3.3; biases everywhere and dropout on the attention
probabilities as in X-modaler's BERT-style blocks. Projections that read the same input are one
matrix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from gegcore.linear import Linear
from gegcore.models.rows import Rows

PADDING_BIAS = -10000.0
"""Added to the scores of padded regions (X-modaler); exp() of it is exactly zero in every dtype."""


def padding_bias(mask: Tensor, like: Tensor) -> Tensor:
    """Additive attention bias that hides padded regions.

    Shapes: mask (B, N) bool, True = real -> (B, 1, 1, N) in the dtype of ``like``.
    """
    return (~mask).to(like.dtype)[:, None, None, :] * PADDING_BIAS


class SelfAttention(nn.Module):
    """Attention of a sequence to itself."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        """Shapes: x (R, T, d), bias broadcastable to (R, H, T, T) -> (R, T, d)."""
        rows, length, width = x.shape
        q, k, v = self.qkv(x).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        p = self.dropout if self.training else 0.0
        y = scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=p, is_causal=causal)
        return self.out(y.transpose(1, 2).reshape(rows, length, width))

    def packed(self, x: Tensor, number: Tensor, first: Tensor) -> Tensor:
        """Causal attention of P distinct prefixes, each one row; see ``distinct_prefixes``.

        Shapes: x (P, d), number and first (M, T) -> (P, d).
        """
        rows = self.qkv(x).index_select(0, number.flatten())
        q, k, v = rows.view(*number.shape, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        p = self.dropout if self.training else 0.0
        y = scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return self.out(y.transpose(1, 2)[first].flatten(1))

    def step(self, x: Tensor, cache: Tensor, position: int | Tensor) -> Tensor:
        """Attend from the newest word to all words so far; writes its key and value to the cache.

        With one query a row, sums beat products of tiny matrices. A position that is a tensor
        (0-d) keeps all shapes constant: attention reads the whole cache and hides what is to come.

        Shapes: x (R, d), cache (2, T, R, H, d/H) -> (R, d).
        """
        qkv = self.qkv(x).view(len(x), 3, self.heads, -1).transpose(0, 1)  # (3, R, H, d/H)
        q = qkv[0] / math.sqrt(qkv.shape[-1])
        if isinstance(position, Tensor):
            cache.index_copy_(1, position.view(1), qkv[1:].unsqueeze(1).to(cache.dtype))
            k, v = cache
            to_come = torch.arange(len(k), device=x.device) > position
            scores = (k * q).sum(-1).masked_fill(to_come[:, None, None], -torch.inf)
        else:
            cache[:, position] = qkv[1:]
            k, v = cache[:, : position + 1]
            scores = (k * q).sum(-1)
        p = dropout(scores.softmax(0), self.dropout, self.training)
        return self.out((p.unsqueeze(-1) * v).sum(0).flatten(1))


class CrossAttention(nn.Module):
    """Attention of words to the regions of their image; all captions of an image share its keys."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.out = Linear(width, width)

    def project(self, regions: Tensor) -> Tensor:
        """Keys and values, once per image. Shapes: regions (B, N, d) -> (B, 2, H, N, d/H)."""
        images, count, _ = regions.shape
        return self.key_value(regions).view(images, count, 2, self.heads, -1).permute(0, 2, 3, 1, 4)

    def forward(
        self, x: Tensor, key_value: Tensor, bias: Tensor, rows: Rows | None = None
    ) -> Tensor:
        """Shapes: x (B, Q, d), key_value (B, 2, H, N, d/H), bias (B, 1, 1, N) -> (B, Q, d).

        Q folds captions and words together: no caption needs its own copy of the regions. With
        ``rows``, images differ in their number of queries: x (R, d) -> (R, d); projections run on
        the R rows alone.
        """
        q = self.query(x)
        seen = self._attend(rows.fold(q) if rows else q, key_value, bias)
        return self.out(rows.unfold(seen) if rows else seen)

    def weights(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Where each query looks, no dropout. Shapes: as ``forward`` -> (B, H, Q, N), sums to 1."""
        q, k = self._split(self.query(x)), key_value[:, 0]
        return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + bias).softmax(-1)

    def _attend(self, q: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        k, v = key_value.unbind(1)
        p = self.dropout if self.training else 0.0
        y = scaled_dot_product_attention(self._split(q), k, v, attn_mask=bias, dropout_p=p)
        return y.transpose(1, 2).reshape(q.shape)

    def _split(self, q: Tensor) -> Tensor:
        return q.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """``W_2 relu(W_1 y)`` with dropout in the middle."""

    def __init__(self, width: int, middle: int, dropout: float) -> None:
        super().__init__()
        self.expand = Linear(width, middle)
        self.contract = Linear(middle, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (..., d) -> (..., d)."""
        return self.contract(self.dropout(self.expand(x).relu()))
