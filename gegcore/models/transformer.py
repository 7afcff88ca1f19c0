"""The Transformer captioner, as X-modaler builds it: post-norm, BERT-style blocks.

Source: Vaswani et al. 2017; Sharma et al. 2018 (captioning); layer order, norms, dropouts and
defaults of X-modaler's ``transformer.yaml``. LayerNorm eps is 1e-12 inside the blocks and 1e-5 in
the two embeddings; the output layer is not tied to the word embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from gegcore.models.attention import CrossAttention, SelfAttention, padding_bias
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory, State
from gegcore.models.embedding import RegionEmbedding, WordEmbedding

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch, InputSizes

BLOCK_EPS = 1e-12


class TransformerConfig(BaseModel):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=512, gt=0, description="d; X-modaler BERT.HIDDEN_SIZE")
    heads: int = Field(
        default=8, gt=0, description="attention heads; X-modaler NUM_ATTENTION_HEADS"
    )
    encoder_layers: int = Field(default=6, ge=0, description="X-modaler NUM_HIDDEN_LAYERS")
    decoder_layers: int = Field(default=6, gt=0, description="X-modaler NUM_GENERATION_LAYERS")
    ffn_width: int = Field(
        default=2048, gt=0, description="middle of the FFN; X-modaler INTERMEDIATE_SIZE"
    )
    word_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="X-modaler TOKEN_EMBED.DROPOUT"
    )
    region_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="X-modaler VISUAL_EMBED.DROPOUT"
    )
    output_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="before the logits; PRED_DROPOUT"
    )
    attention_dropout: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="on probabilities; X-modaler ATTENTION_PROBS_DROPOUT_PROB",
    )
    hidden_dropout: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="sublayer outputs; X-modaler HIDDEN_ and FFN_DROPOUT_PROB",
    )
    ffn_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="FFN middle; X-modaler INTERMEDIATE_DROP"
    )
    box_embedding: bool = Field(
        default=False,
        description="add a linear map of the box corners to each region; not in X-modaler",
    )
    max_positions: int = Field(
        default=512, gt=0, description="rows of the sinusoid table; X-modaler has 5000"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> TransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


@dataclass
class TransformerMemory(Memory):
    """Encoded regions (B, N, d), their bias (B, 1, 1, N), keys and values per decoder layer."""

    regions: Tensor
    bias: Tensor
    keys_values: tuple[Tensor, ...]  # per decoder layer (B, 2, H, N, d/H)

    @property
    def batch_size(self) -> int:
        return self.regions.shape[0]


@dataclass
class TransformerState(State):
    """Keys and values of all words so far, of every decoder layer, in one preallocated tensor."""

    memory: TransformerMemory
    copies: int
    cache: Tensor  # (layers, 2, R, H, max_len, d/H)
    position: int = 0

    def reorder(self, index: Tensor) -> TransformerState:
        said = self.cache[..., : self.position, :]
        said.copy_(said.index_select(2, index))
        return self

    def keep(self, images: Tensor) -> TransformerState:
        offsets = torch.arange(self.copies, device=images.device)
        rows = (images[:, None] * self.copies + offsets).flatten()
        memory = TransformerMemory(
            self.memory.regions[images],
            self.memory.bias[images],
            tuple(kv[images] for kv in self.memory.keys_values),
        )
        cache = self.cache.new_empty(*self.cache.shape[:2], len(rows), *self.cache.shape[3:])
        cache[..., : self.position, :] = self.cache[..., : self.position, :][:, :, rows]
        return TransformerState(memory, self.copies, cache, self.position)


class FeedForward(nn.Module):
    """``W_2 relu(W_1 y)`` with dropout in the middle."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.ffn_width)
        self.contract = nn.Linear(config.ffn_width, config.width)
        self.dropout = nn.Dropout(config.ffn_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(self.dropout(self.expand(x).relu()))


class EncoderLayer(nn.Module):
    """Self-attention over regions, then the FFN; each ``LN(x + dropout(sublayer(x)))``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.ffn = FeedForward(config)
        self.ffn_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, bias)))
        return self.ffn_norm(x + self.dropout(self.ffn(x)))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the image, FFN; each with its own residual and norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        sizes = (config.width, config.heads, config.attention_dropout)
        self.self_attention = SelfAttention(*sizes)
        self.self_attention_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.cross_attention = CrossAttention(*sizes)
        self.cross_attention_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.ffn = FeedForward(config)
        self.ffn_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Whole captions. Shapes: x (B, S, T, d), key_value (B, 2, H, N, d/H) -> (B, S, T, d)."""
        said = self.self_attention(x.flatten(0, 1), causal=True).view_as(x)
        return self._look_and_think(
            self.self_attention_norm(x + self.dropout(said)), key_value, bias
        )

    def step(
        self, x: Tensor, key_value: Tensor, bias: Tensor, cache: Tensor, position: int
    ) -> Tensor:
        """One word of every row. Shapes: x (B, S, d), cache (2, B*S, H, T, d/H) -> (B, S, d)."""
        said = self.self_attention.step(x.flatten(0, 1), cache, position).view_as(x)
        return self._look_and_think(
            self.self_attention_norm(x + self.dropout(said)), key_value, bias
        )

    def _look_and_think(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        queries = x.flatten(1, -2)  # the captions of an image side by side: (B, S [* T], d)
        seen = self.cross_attention(queries, key_value, bias).view_as(x)
        x = self.cross_attention_norm(x + self.dropout(seen))
        return self.ffn_norm(x + self.dropout(self.ffn(x)))


class Transformer(Captioner):
    """Encoder over regions, decoder over words that attends to the last encoder layer.

    Args:
        vocab_size: V, id 0 included.
        inputs: widths of the features; it looks at regions (2048 for bottom-up features).
        config: sizes and dropouts.
    """

    def __init__(self, vocab_size: int, inputs: InputSizes, config: TransformerConfig) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.config = config
        self.words = WordEmbedding(
            vocab_size, config.width, config.word_dropout, config.max_positions
        )
        self.regions = RegionEmbedding(
            inputs.regions, config.width, config.region_dropout, config.box_embedding
        )
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.output = nn.Linear(config.width, vocab_size)

    def encode(self, features: FeatureBatch) -> TransformerMemory:
        x = self.regions(features.regions, features.boxes)
        bias = padding_bias(features.mask, x)
        for layer in self.encoder:
            x = layer(x, bias)
        keys_values = tuple(layer.cross_attention.project(x) for layer in self._decoder())
        return TransformerMemory(x, bias, keys_values)

    def start(self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH) -> TransformerState:
        assert isinstance(memory, TransformerMemory)
        images, _, heads, _, head_width = memory.keys_values[0].shape
        shape = (len(self.decoder), 2, images * copies, heads, max_len, head_width)
        return TransformerState(memory, copies, memory.keys_values[0].new_empty(shape))

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, TransformerState]:
        assert isinstance(state, TransformerState)
        memory, t = state.memory, state.position
        x = self.words(tokens.view(-1, state.copies, 1), t).squeeze(2)
        layers = zip(self._decoder(), memory.keys_values, state.cache, strict=True)
        for layer, key_value, cache in layers:
            x = layer.step(x, key_value, memory.bias, cache, t)
        state.position += 1
        return self.output(self.output_dropout(x)).flatten(0, 1), state

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        assert isinstance(memory, TransformerMemory)
        x = self.words(tokens)
        for layer, key_value in zip(self._decoder(), memory.keys_values, strict=True):
            x = layer(x, key_value, memory.bias)
        return self.output(self.output_dropout(x))

    def _decoder(self) -> Sequence[DecoderLayer]:
        return self.decoder  # type: ignore[return-value]


def xmodaler_keys(config: TransformerConfig) -> dict[str, tuple[str, ...]]:
    """Where each of our tensors is in an X-modaler state_dict.

    Returns: our key -> X-modaler's keys, to be concatenated along dimension 0 in this order. Their
    sinusoid buffer ``token_embed.embeddings_pos.pe`` is left out: it is computed, not learned.
    """
    modules: dict[str, tuple[str, ...]] = {
        "words.norm": ("token_embed.embeddings_norm",),
        "regions.linear": ("visual_embed.embeddings",),
        "regions.norm": ("visual_embed.embeddings_norm",),
        "output": ("predictor.logits",),
    }
    for i in range(config.encoder_layers):
        ours, theirs = f"encoder.{i}", f"encoder.layers.{i}"
        modules |= _attention_modules(f"{ours}.attention", f"{theirs}.attention", fused="qkv")
        modules |= _ffn_modules(ours, theirs)
    for i in range(config.decoder_layers):
        ours, theirs = f"decoder.{i}", f"decoder.g_layers.{i}"
        modules |= _attention_modules(f"{ours}.self_attention", f"{theirs}.self_attn", fused="qkv")
        modules |= _attention_modules(
            f"{ours}.cross_attention", f"{theirs}.x_att", fused="key_value"
        )
        modules |= _ffn_modules(ours, theirs)
    keys = {
        f"{ours}.{kind}": tuple(f"{name}.{kind}" for name in theirs)
        for ours, theirs in modules.items()
        for kind in ("weight", "bias")
    }
    return {"words.embedding.weight": ("token_embed.embeddings.weight",)} | keys


def _attention_modules(ours: str, theirs: str, fused: str) -> dict[str, tuple[str, ...]]:
    query, key, value = (f"{theirs}.self.{part}" for part in ("query", "key", "value"))
    projections = (
        {f"{ours}.qkv": (query, key, value)}
        if fused == "qkv"
        else {f"{ours}.query": (query,), f"{ours}.key_value": (key, value)}
    )
    return projections | {
        f"{ours}.out": (f"{theirs}.output.dense",),
        f"{ours}_norm": (f"{theirs}.output.LayerNorm",),
    }


def _ffn_modules(ours: str, theirs: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{ours}.ffn.expand": (f"{theirs}.intermediate.dense",),
        f"{ours}.ffn.contract": (f"{theirs}.output.dense",),
        f"{ours}.ffn_norm": (f"{theirs}.output.LayerNorm",),
    }
