"""The decoder that Transformer and Meshed-Memory share: layers, key-value cache, captioner.

Source: Vaswani et al. 2017, Sec. 3.1, post-norm. A cache of keys and values gives the same logits
as X-modaler, which caches the inputs of the layers and projects the whole prefix at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gegcore.data.features import InputSizes
from gegcore.linear import Linear
from gegcore.models.attention import CrossAttention, FeedForward, SelfAttention
from gegcore.models.captioner import END, MAX_LENGTH, Captioner, Memory, State
from gegcore.models.config import StackConfig
from gegcore.models.embedding import RegionEmbedding, WordEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.rows import Rows
from gegcore.prefixes import distinct_prefixes

_SHRINK = 0.75  # images without rows leave once no more than this share of them has any


@dataclass
class KeyValueMemory(Memory):
    """Encoded regions, and what each decoder layer's cross-attention needs of them."""

    regions: Tensor  # (B, N, d), or (B, L, N, d) if the decoder reads all L encoder layers
    bias: Tensor  # (B, 1, 1, N), hides padded regions
    keys_values: tuple[Tensor, ...]  # per decoder layer (B, 2, H, N, d/H), or (B, L, 2, H, N, d/H)

    @property
    def batch_size(self) -> int:
        return self.regions.shape[0]

    def of_rows(self, rows: Rows) -> tuple[KeyValueMemory, Rows]:
        """Without the images that no row describes, once they are many."""
        present = rows.image().unique_consecutive()
        if len(present) > _SHRINK * rows.images:
            return self, rows
        keys_values = tuple(kv[present] for kv in self.keys_values)
        memory = KeyValueMemory(self.regions[present], self.bias[present], keys_values)
        return memory, rows.without_gaps()


@dataclass
class KeyValueState(State):
    """Keys and values of all words so far, of every decoder layer, in one preallocated tensor.

    Time comes before rows: the words so far are one block, and attention reads it in order.
    """

    memory: KeyValueMemory
    rows: Rows
    cache: Tensor  # (layers, 2, max_len, R, H, d/H)
    position: int | Tensor = 0  # a tensor keeps the shapes of a step constant

    def with_constant_shapes(self) -> KeyValueState:
        # Zeros: what is to come is hidden, but a NaN would show through a weight of 0.
        begin = torch.zeros((), dtype=torch.long, device=self.cache.device)
        return KeyValueState(self.memory, self.rows, torch.zeros_like(self.cache), begin)

    def keep(self, rows: Tensor) -> KeyValueState:
        cache = self.cache.new_empty(*self.cache.shape[:3], len(rows), *self.cache.shape[4:])
        said, kept = (x[:, :, : self.position] for x in (self.cache, cache))
        if torch.is_grad_enabled():
            kept.copy_(said.index_select(3, rows))
        else:  # one copy less
            torch.index_select(said, 3, rows, out=kept)
        memory, places = self.memory.of_rows(self.rows.keep(rows))
        return KeyValueState(memory, places, cache, self.position)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the image, FFN; each with its own residual and norm."""

    def __init__(
        self, config: StackConfig, attention_dropout: float, ffn_dropout: float, eps: float
    ) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.self_attention = SelfAttention(width, heads, attention_dropout)
        self.self_attention_norm = nn.LayerNorm(width, eps=eps)
        self.cross_attention = CrossAttention(width, heads, attention_dropout)
        self.cross_attention_norm = nn.LayerNorm(width, eps=eps)
        self.ffn = FeedForward(width, config.ffn_width, ffn_dropout)
        self.ffn_norm = nn.LayerNorm(width, eps=eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def project(self, regions: Tensor) -> Tensor:
        """Keys and values, once per image. Shapes: (B, N, d) -> (B, 2, H, N, d/H)."""
        return self.cross_attention.project(regions)

    def forward(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Whole captions. Shapes: x (B, S, T, d), key_value as ``project`` -> (B, S, T, d)."""
        queries = self._recall(x).flatten(1, 2)  # the captions of an image side by side
        return self._think(self.look(queries, key_value, bias)).view_as(x)

    def packed(
        self,
        x: Tensor,
        key_value: Tensor,
        bias: Tensor,
        rows: Rows,
        prefixes: tuple[Tensor, Tensor],
    ) -> Tensor:
        """The last word of each of P distinct prefixes. Shapes: x (P, d) -> (P, d)."""
        x = self.self_attention_norm(x + self.dropout(self.self_attention.packed(x, *prefixes)))
        return self._think(self.look(x, key_value, bias, rows))

    def step(self, x: Tensor, key_value: Tensor, cache: Tensor, state: KeyValueState) -> Tensor:
        """One word of every row. Shapes: x (R, d), cache (2, T, R, H, d/H) -> (R, d)."""
        said = self.self_attention.step(x, cache, state.position)
        x = self.self_attention_norm(x + self.dropout(said))
        return self._think(self.look(x, key_value, state.memory.bias, state.rows))

    def weights(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Where the words look. Shapes: as ``forward`` -> (B, S, T, N), mean over heads."""
        queries = self._recall(x).flatten(1, 2)
        return self.look_weights(queries, key_value, bias).unflatten(1, x.shape[1:3])

    def look(self, x: Tensor, key_value: Tensor, bias: Tensor, rows: Rows | None = None) -> Tensor:
        """``LN(x + attention to the image)``.

        Shapes: x (B, Q, d) -> (B, Q, d), or with ``rows`` (R, d) -> (R, d).
        """
        seen = self.cross_attention(x, key_value, bias, rows)
        return self.cross_attention_norm(x + self.dropout(seen))

    def look_weights(self, x: Tensor, key_value: Tensor, bias: Tensor) -> Tensor:
        """Weights of ``look``, mean over heads. Shapes: x (B, Q, d) -> (B, Q, N)."""
        return self.cross_attention.weights(x, key_value, bias).mean(1)

    def _recall(self, x: Tensor) -> Tensor:
        said = self.self_attention(x.flatten(0, 1), causal=True).view_as(x)
        return self.self_attention_norm(x + self.dropout(said))

    def _think(self, x: Tensor) -> Tensor:
        return self.ffn_norm(x + self.dropout(self.ffn(x)))


class DecoderStack(Captioner):
    """A captioner with a stack of encoder layers and one of ``DecoderLayer``; subclasses encode."""

    decoder: Sequence[DecoderLayer]  # an nn.ModuleList, which does not tell the type of its modules

    def __init__(
        self,
        name: str,
        vocab_size: int,
        inputs: InputSizes,
        config: StackConfig,
        encoder_layer: Callable[[Any], nn.Module],
        decoder_layer: Callable[[Any], DecoderLayer],
        boxes: bool = False,
    ) -> None:
        super().__init__()
        require_sizes(name, inputs, "regions")
        self.vocab_size = vocab_size
        self.config = config
        width = config.width
        self.words = WordEmbedding(vocab_size, width, config.word_dropout, config.max_positions)
        self.regions = RegionEmbedding(inputs.regions, width, config.region_dropout, boxes)
        self.encoder = nn.ModuleList(encoder_layer(config) for _ in range(config.encoder_layers))
        layers = [decoder_layer(config) for _ in range(config.decoder_layers)]
        self.decoder = nn.ModuleList(layers)  # type: ignore[assignment]
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.output = Linear(width, vocab_size)

    def start(self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH) -> KeyValueState:
        assert isinstance(memory, KeyValueMemory)
        heads, _, head_width = memory.keys_values[0].shape[-3:]
        shape = (len(self.decoder), 2, max_len, memory.batch_size * copies, heads, head_width)
        cache = memory.regions.new_empty(shape)
        return KeyValueState(memory, Rows.uniform(memory.batch_size, copies, cache.device), cache)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, KeyValueState]:
        assert isinstance(state, KeyValueState)
        if isinstance(state.position, Tensor):
            self.words.check_length(state.cache.shape[2])
        x = self.words.one(tokens, state.position)
        layers = zip(self.decoder, state.memory.keys_values, state.cache, strict=True)
        for layer, key_value, cache in layers:
            x = layer.step(x, key_value, cache, state)
        state.position = state.position + 1
        return self.output(self.output_dropout(x)), state

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        assert isinstance(memory, KeyValueMemory)
        x = self.words(tokens)
        for layer, key_value in zip(self.decoder, memory.keys_values, strict=True):
            x = layer(x, key_value, memory.bias)
        return self.output(self.output_dropout(x))

    def decode_prefixes(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(memory, KeyValueMemory)
        image = torch.arange(len(tokens), device=tokens.device).repeat_interleave(tokens.shape[1])
        inputs = torch.cat([image[:, None], tokens.flatten(0, 1)[:, 1:]], 1)  # for the start token
        rows, inverse = torch.unique(inputs, dim=0, return_inverse=True)
        number, first = distinct_prefixes(rows, pad(rows[:, 1:] != END, (1, 0), value=True))
        caption, position = first.nonzero(as_tuple=True)
        self.words.check_length(tokens.shape[-1])
        x = self.words.one(rows[first].where(position > 0, END), position)
        places = Rows.uniform(len(tokens), 1, x.device).keep(rows[caption, 0])
        for layer, key_value in zip(self.decoder, memory.keys_values, strict=True):
            x = layer.packed(x, key_value, memory.bias, places, (number, first))
        return self.output(self.output_dropout(x)), number[inverse].view_as(tokens)

    def attention(self, memory: Memory, tokens: Tensor) -> Tensor:
        """Weights of the last decoder layer, mean over heads (and levels, if it reads several)."""
        assert isinstance(memory, KeyValueMemory)
        x = self.words(tokens)
        *below, last = self.decoder
        for layer, key_value in zip(below, memory.keys_values, strict=False):
            x = layer(x, key_value, memory.bias)
        return last.weights(x, memory.keys_values[-1], memory.bias)
