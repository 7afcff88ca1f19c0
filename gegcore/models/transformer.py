"""The Transformer captioner, as X-modaler builds it: post-norm, BERT-style blocks.

Source: Vaswani et al. 2017; Sharma et al. 2018 (captioning); layer order, norms, dropouts and
defaults of X-modaler's ``transformer.yaml``. LayerNorm eps is 1e-12 inside the blocks and 1e-5 in
the two embeddings; the output layer is not tied to the word embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from gegcore.data.features import InputSizes
from gegcore.interop.xmodaler_layout import layer_count, weight_and_bias
from gegcore.models.attention import FeedForward, SelfAttention, padding_bias
from gegcore.models.embedding import RegionEmbedding, WordEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.transformer_decoder import DecoderLayer, DecoderStack, KeyValueMemory

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch

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


class EncoderLayer(nn.Module):
    """Self-attention over regions, then the FFN; each ``LN(x + dropout(sublayer(x)))``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads, config.attention_dropout)
        self.attention_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.ffn = FeedForward(config.width, config.ffn_width, config.ffn_dropout)
        self.ffn_norm = nn.LayerNorm(config.width, eps=BLOCK_EPS)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, bias)))
        return self.ffn_norm(x + self.dropout(self.ffn(x)))


def _decoder_layer(config: TransformerConfig) -> DecoderLayer:
    return DecoderLayer(
        config.width,
        config.heads,
        config.ffn_width,
        attention_dropout=config.attention_dropout,
        hidden_dropout=config.hidden_dropout,
        ffn_dropout=config.ffn_dropout,
        eps=BLOCK_EPS,
    )


class Transformer(DecoderStack):
    """Encoder over regions, decoder over words that attends to the last encoder layer.

    Args:
        vocab_size: V, id 0 included.
        inputs: widths of the features; it looks at regions (2048 for bottom-up features).
        config: sizes and dropouts.
    """

    Config = TransformerConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: TransformerConfig) -> None:
        super().__init__()
        require_sizes("transformer", inputs, "regions")
        self.vocab_size = vocab_size
        self.config = config
        self.words = WordEmbedding(
            vocab_size, config.width, config.word_dropout, config.max_positions
        )
        self.regions = RegionEmbedding(
            inputs.regions, config.width, config.region_dropout, config.box_embedding
        )
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(_decoder_layer(config) for _ in range(config.decoder_layers))
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.output = nn.Linear(config.width, vocab_size)

    def encode(self, features: FeatureBatch) -> KeyValueMemory:
        x = self.regions(features.regions, features.boxes, features.mask)
        bias = padding_bias(features.mask, x)
        for layer in self.encoder:
            x = layer(x, bias)
        return KeyValueMemory(x, bias, tuple(layer.project(x) for layer in self._layers))


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
    return {"words.embedding.weight": ("token_embed.embeddings.weight",)} | weight_and_bias(modules)


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


def xmodaler_sizes(
    shapes: Mapping[str, torch.Size], **overrides: Any
) -> tuple[int, InputSizes, TransformerConfig]:
    """Vocabulary size, inputs and config of an X-modaler state_dict with these shapes.

    Args:
        shapes: of X-modaler's tensors, by its keys.
        overrides: fields of the config; shapes do not tell ``heads``, for one.

    Raises:
        KeyError: a tensor that tells a size is missing.
    """
    vocab_size, width = shapes["token_embed.embeddings.weight"]
    read = {
        "width": width,
        "encoder_layers": layer_count(shapes, "encoder.layers."),
        "decoder_layers": layer_count(shapes, "decoder.g_layers."),
        "ffn_width": shapes["decoder.g_layers.0.intermediate.dense.weight"][0],
    }
    inputs = InputSizes(shapes["visual_embed.embeddings.weight"][1])
    return vocab_size, inputs, TransformerConfig(**(read | overrides))
