"""The Meshed-Memory Transformer: learned memory slots in the encoder, a mesh in the decoder.

Source: Cornia et al. 2020; equations, initialisation and defaults as in X-modaler's
``meshed_memory.yaml``, which differs from the authors' code (LayerNorm on words, output bias,
positions from 0). LayerNorm eps is 1e-5 throughout; no dropout on attention probabilities.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.linear import Linear
from gegcore.models.attention import FeedForward, padding_bias
from gegcore.models.config import Dropout, Size, StackConfig
from gegcore.models.rows import Rows
from gegcore.models.transformer_decoder import DecoderLayer, DecoderStack, KeyValueMemory


class MeshedMemoryConfig(StackConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    encoder_layers: Size = Field(3, description="levels that the decoder meshes")
    decoder_layers: Size = Field(3, description="X-modaler DECODER.NUM_LAYER")
    memory_slots: Size = Field(40, description="per encoder layer; X-modaler NUM_ATT_MEMORY")
    hidden_dropout: Dropout = Field(0.1, description="and FFN middle; MESHEDMEMORY.*.DROPOUT")


class MemoryAttention(nn.Module):
    """Attention of regions to each other and to learned slots, which no mask hides."""

    def __init__(self, width: int, heads: int, slots: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.slot_keys = nn.Parameter(torch.empty(1, slots, width))
        self.slot_values = nn.Parameter(torch.empty(1, slots, width))
        nn.init.normal_(self.slot_keys, std=heads / width)  # 1 / d_k, X-modaler's; paper: none
        nn.init.normal_(self.slot_values, std=1 / slots)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Shapes: x (B, N, d), bias (B, 1, 1, N) -> (B, N, d)."""
        images, count, width = x.shape
        q, k, v = self.qkv(x).chunk(3, -1)
        slots = self.slot_keys.shape[1]
        slot_keys = math.sqrt(width / self.heads) * self.slot_keys
        slot_values = math.sqrt(slots) * self.slot_values
        k = torch.cat([k, slot_keys.expand(images, -1, -1)], 1)
        v = torch.cat([v, slot_values.expand(images, -1, -1)], 1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))
        y = scaled_dot_product_attention(q, k, v, attn_mask=pad(bias, (0, slots)))
        return self.out(y.transpose(1, 2).reshape(images, count, width))


class EncoderLayer(nn.Module):
    """Memory-augmented attention, then the FFN; each ``LN(x + dropout(sublayer(x)))``."""

    def __init__(self, config: MeshedMemoryConfig) -> None:
        super().__init__()
        self.attention = MemoryAttention(config.width, config.heads, config.memory_slots)
        self.attention_norm = nn.LayerNorm(config.width)
        self.ffn = FeedForward(config.width, config.ffn_width, config.hidden_dropout)
        self.ffn_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Shapes: x (B, N, d), bias (B, 1, 1, N) -> (B, N, d)."""
        x = self.attention_norm(x + self.dropout(self.attention(x, bias)))
        return self.ffn_norm(x + self.dropout(self.ffn(x)))


class MeshedDecoderLayer(DecoderLayer):
    """A decoder layer that looks at every encoder level and mixes what it sees by gates.

    The levels share one cross-attention and its norm; each has its own gate.
    """

    def __init__(self, config: MeshedMemoryConfig) -> None:
        super().__init__(config, attention_dropout=0.0, ffn_dropout=config.hidden_dropout, eps=1e-5)
        levels, width = config.encoder_layers, config.width
        self.gates = nn.ModuleList(Linear(2 * width, width) for _ in range(levels))

    def project(self, levels: Tensor) -> Tensor:
        """Keys and values, once per image. Shapes: (B, L, N, d) -> (B, L, 2, H, N, d/H)."""
        return super().project(levels.flatten(0, 1)).unflatten(0, levels.shape[:2])

    def look(
        self, x: Tensor, keys_values: Tensor, bias: Tensor, rows: Rows | None = None
    ) -> Tensor:
        """``sum_j sigmoid(W_j [x; e_j]) * e_j / sqrt(L)``, ``e_j = LN(x + attention to level j)``.

        Shapes: as ``DecoderLayer.look``. There is no residual from x around the mesh.
        """
        mix = torch.zeros_like(x)
        for gate, key_value in zip(self.gates, keys_values.unbind(1), strict=True):
            seen = super().look(x, key_value, bias, rows)
            mix = mix + gate(torch.cat([x, seen], -1)).sigmoid() * seen
        return mix / math.sqrt(len(self.gates))

    def look_weights(self, x: Tensor, keys_values: Tensor, bias: Tensor) -> Tensor:
        """Mean over levels and heads. Shapes: x (B, Q, d) -> (B, Q, N)."""
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for key_value in keys_values.unbind(1):
            total = total + super().look_weights(x, key_value, bias)
        return total / keys_values.shape[1]


class MeshedMemory(DecoderStack):
    """Encoder with memory, decoder that attends to all encoder layers at once."""

    Config = MeshedMemoryConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: MeshedMemoryConfig) -> None:
        layers = EncoderLayer, MeshedDecoderLayer
        super().__init__("meshed_memory", vocab_size, inputs, config, *layers)
        self._initialise()

    def encode(self, features: FeatureBatch) -> KeyValueMemory:
        x = self.regions(features.regions, features.boxes, features.mask)
        bias = padding_bias(features.mask, x)
        outputs = []
        for layer in self.encoder:
            x = layer(x, bias)
            outputs.append(x)
        levels = torch.stack(outputs, 1)
        return KeyValueMemory(levels, bias, tuple(layer.project(levels) for layer in self.decoder))

    def _initialise(self) -> None:
        """Attention projections and gates Xavier-uniform, one by one where they are fused."""
        parts = {"qkv": 3, "key_value": 2, "query": 1, "out": 1}
        for name, module in self.named_modules():
            path = name.split(".")
            if isinstance(module, Linear) and (path[-1] in parts or "gates" in path):
                for part in module.weight.detach().chunk(parts.get(path[-1], 1)):
                    nn.init.xavier_uniform_(part)
                nn.init.zeros_(module.bias)
