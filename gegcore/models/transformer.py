"""The Transformer captioner, as X-modaler builds it: post-norm, BERT-style blocks.

Source: Vaswani et al. 2017; Sharma et al. 2018 (captioning); layer order, norms, dropouts and
defaults of X-modaler's ``transformer.yaml``. LayerNorm eps is 1e-12 inside the blocks and 1e-5 in
the two embeddings; the output layer is not tied to the word embedding.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models.attention import FeedForward, SelfAttention, padding_bias
from gegcore.models.config import Dropout, StackConfig
from gegcore.models.transformer_decoder import DecoderLayer, DecoderStack, KeyValueMemory

BLOCK_EPS = 1e-12


class TransformerConfig(StackConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    attention_dropout: Dropout = Field(0.1, description="X-modaler ATTENTION_PROBS_DROPOUT_PROB")
    ffn_dropout: Dropout = Field(0.1, description="FFN middle; X-modaler INTERMEDIATE_DROP")
    box_embedding: bool = Field(False, description="adds W_box box to regions; not in X-modaler")


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
    return DecoderLayer(config, config.attention_dropout, config.ffn_dropout, BLOCK_EPS)


class Transformer(DecoderStack):
    """Encoder over regions, decoder over words that attends to the last encoder layer."""

    Config = TransformerConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: TransformerConfig) -> None:
        layers = EncoderLayer, _decoder_layer
        super().__init__("transformer", vocab_size, inputs, config, *layers, config.box_embedding)

    def encode(self, features: FeatureBatch) -> KeyValueMemory:
        x = self.regions(features.regions, features.boxes, features.mask)
        bias = padding_bias(features.mask, x)
        for layer in self.encoder:
            x = layer(x, bias)
        return KeyValueMemory(x, bias, tuple(layer.project(x) for layer in self.decoder))
