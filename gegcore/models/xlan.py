"""X-LAN: X-linear attention in the encoder of the regions and in an LSTM decoder.

Source: Pan et al. 2020; equations and defaults as in X-modaler's ``xlan.yaml``, which uses relu
where the authors' code has CELU in the two embeddings. LayerNorm and GroupNorm eps is 1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import glu

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.linear import Linear, linear
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory, State, longest_first
from gegcore.models.config import CaptionerConfig, Dropout, Size
from gegcore.models.inputs import require_sizes
from gegcore.models.recurrent import LSTMCell, TensorMemory
from gegcore.models.xlinear_attention import XLinearAttention, masked_mean


class XlanConfig(CaptionerConfig):
    """Sizes and dropouts; the defaults are the published ones of X-modaler (paper size)."""

    width: Size = Field(1024, description="d, LSTM included; X-modaler BILINEAR.DIM")
    word_width: Size = Field(1024, description="X-modaler TOKEN_EMBED.DIM")
    heads: Size = Field(8, description="and GroupNorm groups; X-modaler BILINEAR.HEAD")
    encoder_layers: int = Field(4, ge=0, description="X-modaler BILINEAR.ENCODE.LAYERS")
    attention_width: Size = Field(64, description="of the bilinear map; middle of ATT_MID_DIM")
    celu_alpha: float = Field(1.3, gt=0, description="X-modaler BILINEAR.ELU_ALPHA")
    word_dropout: Dropout = Field(0.5, description="X-modaler TOKEN_EMBED.DROPOUT")
    region_dropout: Dropout = Field(0.5, description="X-modaler VISUAL_EMBED.DROPOUT")
    output_dropout: Dropout = Field(0.5, description="before the logits; PRED_DROPOUT")
    bilinear_dropout: Dropout = Field(
        0.5, description="X-linear outputs, fed-back context; X-modaler BILINEAR.*.DROPOUT"
    )
    attention_dropout: Dropout = Field(0.1, description="attention map; X-modaler ATT_MID_DROPOUT")
    update_dropout: Dropout = Field(0.3, description="region updates; X-modaler BIFEAT_EMB_DROPOUT")


@dataclass
class XlanMemory(TensorMemory):
    """What the decoder receives of B images; keys and values are those of its attention."""

    image: Tensor  # (B, d), all levels of the global feature in one
    regions: Tensor  # (B, N, d), of the last encoder layer
    mask: Tensor  # (B, N) bool, True for real regions
    keys: Tensor  # (B, H, N, d/H)
    values: Tensor  # (B, H, N, d/H)


@dataclass
class XlanState(State):
    """LSTM state and the context vector that is fed back, each (R, d)."""

    memory: XlanMemory
    copies: int
    hidden: Tensor
    cell: Tensor
    context: Tensor

    def keep(self, rows: Tensor) -> XlanState:
        # From here on every row has an image of its own.
        memory = self.memory.keep(rows // self.copies)
        return XlanState(memory, 1, self.hidden[rows], self.cell[rows], self.context[rows])

    def narrow(self, copies: int) -> XlanState:
        """Only the first captions of each image."""
        rows = (
            x.unflatten(0, (-1, self.copies))[:, :copies].flatten(0, 1)
            for x in (self.hidden, self.cell, self.context)
        )
        return XlanState(self.memory, copies, *rows)


class EncoderLayer(nn.Module):
    """The global feature looks at the regions; what it found then updates every region."""

    def __init__(self, config: XlanConfig) -> None:
        super().__init__()
        self.attention = XLinearAttention(config)
        self.update = Linear(2 * config.width, config.width)
        self.update_dropout = nn.Dropout(config.update_dropout)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, image: Tensor, regions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: image (B, d), regions (B, N, d), mask (B, N) bool -> new image, new regions."""
        keys_values = self.attention.project(regions)
        image = self.attention(image.unsqueeze(1), keys_values, mask)[0]
        both = torch.cat([image.expand_as(regions), regions], -1)
        update = self.update_dropout(self.update(both).relu())
        return image.squeeze(1), self.norm(regions + update)


class Xlan(Captioner):
    """X-linear attention network."""

    Config = XlanConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: XlanConfig) -> None:
        super().__init__()
        require_sizes("xlan", inputs, "regions")
        width = config.width
        self.vocab_size = vocab_size
        self.config = config
        self.words = nn.Embedding(vocab_size, config.word_width)
        self.word_dropout = nn.Dropout(config.word_dropout)
        self.regions = Linear(inputs.regions, width)
        self.region_dropout = nn.Dropout(config.region_dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.image = Linear((1 + config.encoder_layers) * width, width)
        self.image_norm = nn.LayerNorm(width)
        self.lstm = LSTMCell((config.word_width, width), width)
        self.look = XLinearAttention(config)
        self.merge = Linear(2 * width, width)
        self.merge_norm = nn.LayerNorm(width)
        self.context = Linear(2 * width, 2 * width)
        self.context_dropout = nn.Dropout(config.bilinear_dropout)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.output = Linear(width, vocab_size)

    def encode(self, features: FeatureBatch) -> XlanMemory:
        regions, mask = self.embed(features.regions, features.mask), features.mask
        levels = [masked_mean(regions, mask)]
        for layer in self.encoder:
            image, regions = layer(levels[-1], regions, mask)
            levels.append(image)
        image = self.image_norm(self.image(torch.cat(levels, -1)))
        return XlanMemory(image, regions, mask, *self.look.project(regions))

    def embed(self, regions: Tensor, mask: Tensor) -> Tensor:
        """``dropout(relu(W v + b))``, zero in padding. Shapes: (B, N, Dr), (B, N) -> (B, N, d)."""
        x = self.region_dropout(self.regions(regions).relu())
        return x.masked_fill(~mask.unsqueeze(-1), 0.0)

    def start(self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH) -> XlanState:
        assert isinstance(memory, XlanMemory)
        zero = memory.image.new_zeros(memory.batch_size * copies, self.config.width)
        return XlanState(memory, copies, zero, zero, zero)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, XlanState]:
        assert isinstance(state, XlanState)
        state, _ = self._advance(tokens, state)
        return self.output(self.output_dropout(state.context)), state

    def decode_teacher_forced(self, memory: Memory, tokens: Tensor) -> Tensor:
        """As the base class says, but with one product with the output matrix for all words."""
        contexts = [state.context for state, _ in self._unroll(memory, tokens)]
        context = torch.stack(contexts, 1).unflatten(0, tokens.shape[:2])
        return self.output(self.output_dropout(context))

    def decode_prefixes(self, memory: Memory, tokens: Tensor) -> tuple[Tensor, Tensor]:
        inputs, going, number = longest_first(tokens)
        steps = self._unroll(memory, inputs, [now.shape[1] for now in going])
        rows = [state.context[now.flatten()] for (state, _), now in zip(steps, going, strict=True)]
        return self.output(self.output_dropout(torch.cat(rows))), number

    def attention(self, memory: Memory, tokens: Tensor) -> Tensor:
        """The decoder's spatial attention, mean over heads."""
        return torch.stack([spatial.mean(1) for _, spatial in self._unroll(memory, tokens)], 2)

    def _unroll(
        self, memory: Memory, tokens: Tensor, most: Sequence[int] = ()
    ) -> list[tuple[XlanState, Tensor]]:
        """As ``RecurrentCaptioner._unroll``; a state and its attention (B, H, S, N) a step."""
        _, copies, length = tokens.shape
        state, steps = self.start(memory, copies), []
        for words, count in zip(tokens.unbind(2), most or [copies] * length, strict=True):
            if count < state.copies:
                state = state.narrow(count)
            state, spatial = self._advance(words[:, :count].flatten(), state)
            steps.append((state, spatial))
        return steps

    def _advance(self, tokens: Tensor, state: XlanState) -> tuple[XlanState, Tensor]:
        memory, per_image = state.memory, (-1, state.copies, self.config.width)
        word = self.word_dropout(self.words(tokens).relu())
        context = self.context_dropout(state.context).view(per_image)
        seen_before = (memory.image.unsqueeze(1) + context).flatten(0, 1)
        early = linear(torch.cat([word, seen_before], -1), self.lstm.weight_ih)
        hidden, cell = self.lstm.advance(state.hidden, state.cell, self.lstm.weight_hh, early)
        seen, spatial = self.look(hidden.view(per_image), (memory.keys, memory.values), memory.mask)
        merged = self.merge_norm(self.merge(torch.cat([hidden, seen.flatten(0, 1)], -1)))
        context = glu(self.context(torch.cat([merged, hidden], -1)))
        return XlanState(memory, state.copies, hidden, cell, context), spatial
