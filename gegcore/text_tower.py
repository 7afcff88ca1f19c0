"""CLIP's text tower on captions cropped to the longest: the same embedding, far faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def crop_to_longest(model: nn.Module, bpe: Tensor) -> Tensor:
    """Drop the padding that all captions `(M, L)` share, where the tower allows it."""
    tower = getattr(model, "text", model)
    if not _croppable(tower):
        return bpe
    return bpe[:, : int(_end_position(tower, bpe).max()) + 1]


def encode_cropped(model: nn.Module, bpe: Tensor) -> Tensor:
    """Text features `(M, E)`, not normalised, of BPE ids `(M, L)` with L up to the context length.

    The tower is causal and pooled at the end token, so whatever follows that token changes
    nothing and trailing padding can be left out. Towers that are not causal, or that pool
    elsewhere, are padded to their context length and run by open_clip's own forward.
    """
    tower: Any = getattr(model, "text", model)
    length = bpe.shape[1]
    if not _croppable(tower):
        whole: Any = model
        return whole.encode_text(nn.functional.pad(bpe, (0, whole.context_length - length)))
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(bpe).to(dtype) + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    rows = torch.arange(len(bpe), device=bpe.device)
    pooled = tower.ln_final(x)[rows, _end_position(tower, bpe)]
    projection = tower.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection


def _end_position(tower: nn.Module, bpe: Tensor) -> Tensor:
    """Where each caption's end token stands: the highest id, or the id that the config names."""
    kind, end = _pooling(tower)
    return bpe.argmax(dim=-1) if kind == "argmax" else (bpe == end).int().argmax(dim=-1)  # type: ignore[attr-defined]


def _pooling(tower: Any) -> tuple[str, int | None]:
    """How the tower pools, under the names of `CLIP` or of `TextTransformer`."""
    if hasattr(tower, "text_pool_type"):
        return tower.text_pool_type, getattr(tower, "text_eos_id", None)
    return getattr(tower, "pool_type", "none"), getattr(tower, "eos_id", None)


def _croppable(tower: Any) -> bool:
    causal = isinstance(getattr(tower, "attn_mask", None), Tensor)
    plain = getattr(tower, "cls_emb", None) is None
    return causal and plain and _pooling(tower)[0] in ("argmax", "eos")
