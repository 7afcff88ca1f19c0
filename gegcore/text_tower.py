"""The text tower of a CLIP without work that changes nothing: padding, and what was read before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gegcore.linear import linear
from gegcore.prefixes import distinct_prefixes


def crop_to_longest(model: nn.Module, bpe: Tensor) -> Tensor:
    """Drop the padding that all captions `(M, L)` share, where the tower allows it."""
    tower = getattr(model, "text", model)
    if not _croppable(tower):
        return bpe
    return bpe[:, : int(_end_position(tower, bpe).max()) + 1]


def encode_cropped(model: Any, bpe: Tensor) -> Tensor:
    """Text features `(M, E)`, not normalised, of BPE ids `(M, L)` with L up to the context length.

    The tower is causal and pooled at the end token, so whatever follows that token changes
    nothing and trailing padding can be left out. Towers that are not causal, or that pool
    elsewhere, are padded to their context length and run by open_clip's own forward.
    """
    tower: Any = getattr(model, "text", model)
    length = bpe.shape[1]
    if not _croppable(tower):
        return model.encode_text(F.pad(bpe, (0, model.context_length - length)))
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(bpe).to(dtype) + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    rows = torch.arange(len(bpe), device=bpe.device)
    return _projected(tower, tower.ln_final(x)[rows, _end_position(tower, bpe)])


def packable(model: nn.Module) -> bool:
    """Whether `encode_packed` knows this tower: causal float32 blocks of open_clip's plain kind."""
    from open_clip.transformer import ResidualAttentionBlock

    tower: Any = getattr(model, "text", model)
    return _croppable(tower) and all(
        type(block) is ResidualAttentionBlock and block.attn.in_proj_weight.dtype == torch.float32
        for block in tower.transformer.resblocks
    )


def encode_packed(model: Any, rows: Tensor) -> Tensor:
    """As `encode_cropped`, of sorted rows (`torch.unique`); the host waits for the device.

    In a causal tower a token's features depend on the tokens up to it alone. So every distinct
    prefix is one row of all that is done token by token; only attention sees whole captions. The
    last block is computed where it is read, at the end tokens.
    """
    tower: Any = getattr(model, "text", model)
    end = _end_position(tower, rows)
    real = torch.arange(rows.shape[1], device=rows.device) <= end[:, None]
    number, first = distinct_prefixes(rows, real)
    x = (tower.token_embedding(rows) + tower.positional_embedding[: rows.shape[1]])[first]
    *below, last = tower.transformer.resblocks
    for block in below:
        x = _block(block, x, number, first)
    ends = torch.zeros_like(real).scatter_(1, end[:, None], True)
    pooled = tower.ln_final(_block(last, x, number, ends))
    return _projected(tower, pooled)


def _block(block: Any, x: Tensor, number: Tensor, wanted: Tensor) -> Tensor:
    """One block of P prefixes `(P, d)`, computed where `wanted` `(M, L)` says -> `(wanted, d)`."""
    attn, mlp = block.attn, block.mlp
    qkv = linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)[number]  # (M, L, 3d)
    q, k, v = qkv.unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
    seen = linear(seen[wanted], attn.out_proj.weight, attn.out_proj.bias)
    x = x[number[wanted]] + block.ls_1(seen)
    middle = mlp.gelu(linear(block.ln_2(x), mlp.c_fc.weight, mlp.c_fc.bias))
    return x + block.ls_2(linear(middle, mlp.c_proj.weight, mlp.c_proj.bias))


def _projected(tower: Any, pooled: Tensor) -> Tensor:
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
