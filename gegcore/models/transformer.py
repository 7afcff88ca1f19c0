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
from gegcore.models.config import CaptionerConfig, Dropout, Size
from gegcore.models.embedding import RegionEmbedding, WordEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.transformer_decoder import DecoderLayer, DecoderStack, KeyValueMemory

BLOCK_EPS = 1e-12


class TransformerConfig(CaptionerConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    width: Size = Field(512, description="d; X-modaler BERT.HIDDEN_SIZE")
    heads: Size = Field(8, description="attention heads; X-modaler NUM_ATTENTION_HEADS")
    encoder_layers: int = Field(6, ge=0, description="X-modaler NUM_HIDDEN_LAYERS")
    decoder_layers: Size = Field(6, description="X-modaler NUM_GENERATION_LAYERS")
    ffn_width: Size = Field(2048, description="middle of the FFN; X-modaler INTERMEDIATE_SIZE")
    word_dropout: Dropout = Field(0.1, description="X-modaler TOKEN_EMBED.DROPOUT")
    region_dropout: Dropout = Field(0.5, description="X-modaler VISUAL_EMBED.DROPOUT")
    output_dropout: Dropout = Field(0.5, description="before the logits; PRED_DROPOUT")
    attention_dropout: Dropout = Field(
        0.1, description="on probabilities; X-modaler ATTENTION_PROBS_DROPOUT_PROB"
    )
    hidden_dropout: Dropout = Field(
        0.1, description="sublayer outputs; X-modaler HIDDEN_ and FFN_DROPOUT_PROB"
    )
    ffn_dropout: Dropout = Field(0.1, description="FFN middle; X-modaler INTERMEDIATE_DROP")
    box_embedding: bool = Field(
        False, description="add a linear map of the box corners to each region; not in X-modaler"
    )
    max_positions: Size = Field(512, description="rows of the sinusoid table; X-modaler has 5000")


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
    """Encoder over regions, decoder over words that attends to the last encoder layer."""

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
