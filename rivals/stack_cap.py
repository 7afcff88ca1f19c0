"""Stack-Cap: three LSTMs, each of which says the caption anew from what the one before has seen.

The coarse LSTM reads the mean of the regions; fine LSTM i attends with the state of stage i - 1 and
what that stage attended to (stacked attention), and reads both:

    h0_t = LSTM_0([h2_{t-1}; g; x_t])
    z1_t = att_1(h0_t),            h1_t = LSTM_1([z1_t; h0_t; x_t])
    z2_t = att_2(h1_t + W z1_t),   h2_t = LSTM_2([z2_t; h1_t; x_t])

Every stage predicts the word (own output layer); captions are those of the last one. MLE adds up
the losses of the stages (intermediate supervision). In SCST each stage samples and is rewarded for
what it gains over its own greedy caption and over that of the stage before. In a
profile:

    models: {"rivals.stack_cap:StackCap": {...}}
    objectives: {stack_mle: {loss: "rivals.stack_cap:StagedCrossEntropy"},
                 stack: {loss: "rivals.stack_cap:StagedSelfCritical", start_from: stack_mle}}

Simplified: the two baselines of a stage have one half each (the coarse stage has its own alone);
the paper's LSTMs read a grid of 14 x 14 cells, ours the regions that all methods see.

Compared with what the authors have published (gujiuxiang/Stack-Captioning, 155baa3): inputs of the
three LSTMs, the second query and the sum of three losses are the same. There both attentions share
the keys and z1 is added without W, as all widths are equal; other forms of the second attention are
options. SCST of stages is not in that code: it follows the paper's words.

Source: gu2018stackcap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import pad

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import decode, said_mask
from gegcore.errors import ConfigError
from gegcore.experiment.objective import LossInputs
from gegcore.linear import Linear
from gegcore.models.attention_lstm import AttentionConfig
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory
from gegcore.models.embedding import RegionEmbedding
from gegcore.models.inputs import require_sizes
from gegcore.models.recurrent import LSTMCell, RecurrentCaptioner, RecurrentState
from gegcore.models.soft_attention import RegionMemory, SoftAttention, masked_mean
from gegcore.training.objectives import (
    CrossEntropyObjective,
    SelfCriticalObjective,
    StepLoss,
    Taught,
)
from gegcore.training.scst import policy_health, self_critical_loss
from gegcore.training.xe import cross_entropy

STAGES = 3
_BELOW, _IMAGE, _WORD = 0, 1, 2  # order of the coarse LSTM's input
_SEEN, _STATE, _SAID = 0, 1, 2  # order of a fine LSTM's input


@dataclass
class StackMemory(RegionMemory):
    """Regions, and what each fine stage and the coarse LSTM need of them."""

    image_gates: Tensor  # (B, 1, 4H)
    second_keys: Tensor  # (B, N, A), of the second attention


class StackCap(RecurrentCaptioner[StackMemory]):
    """A coarse LSTM and two fine ones.

    Attributes:
        stage: whose words are said; the last, but for training (`at_stage`).
    """

    Config = AttentionConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: AttentionConfig) -> None:
        require_sizes("rivals.stack_cap:StackCap", inputs, "regions")
        super().__init__(vocab_size, config.word_width, config)
        width, hidden, words = config.region_width, config.hidden_width, config.word_width
        self.stage = STAGES - 1
        self.regions = RegionEmbedding(
            inputs.regions, width, config.region_dropout, config.box_embedding, norm=False
        )
        self.coarse = LSTMCell((hidden, width, words), hidden)
        self.fine1, self.fine2 = (LSTMCell((width, hidden, words), hidden) for _ in range(2))
        self.look1, self.look2 = (SoftAttention(width, config) for _ in range(2))
        self.carry = Linear(width, hidden)  # W: from what was seen to the next query
        self.output0, self.output1 = (Linear(hidden, vocab_size) for _ in range(2))

    @contextmanager
    def at_stage(self, stage: int) -> Iterator[None]:
        """Let an earlier stage say the captions for a while."""
        before, self.stage = self.stage, stage
        try:
            yield
        finally:
            self.stage = before

    def encode(self, features: FeatureBatch) -> StackMemory:
        regions = self.regions(features.regions, features.boxes, features.mask)
        seen = self.look1.remember(regions, features.mask)
        image = masked_mean(regions, features.mask)
        gates = self.coarse.early(_IMAGE, image).unsqueeze(1)
        return StackMemory(seen.values, seen.keys, seen.bias, gates, self.look2.key(regions))

    def start(
        self, memory: Memory, copies: int = 1, max_len: int = MAX_LENGTH
    ) -> RecurrentState[StackMemory]:
        assert isinstance(memory, StackMemory)
        late = (
            self.coarse.late(_BELOW),
            *(cell.late(_SEEN, _STATE) for cell in (self.fine1, self.fine2)),
        )
        zero = self.coarse.zero_state(memory.batch_size, copies)
        return RecurrentState(memory, late, (zero,) * 2 * STAGES)

    def word_gates(self, x: Tensor) -> Tensor:
        """Of the three LSTMs, side by side: `(..., 3 x 4H)`."""
        fine = (cell.early(_SAID, x) for cell in (self.fine1, self.fine2))
        return torch.cat([self.coarse.early(_WORD, x), *fine], -1)

    def advance(self, words: Tensor, state: RecurrentState[StackMemory]) -> tuple[Tensor, Tensor]:
        """Returns the states of all stages side by side, `(B, S, 3H)`."""
        h0, c0, h1, c1, h2, c2 = state.hidden
        late0, late1, late2 = state.weights
        words0, words1, words2 = words.chunk(STAGES, -1)
        memory = state.memory
        h0, c0 = self.coarse.advance(
            torch.cat([h2, h0], -1), c0, late0, words0 + memory.image_gates
        )
        z1, _ = self.look1(h0, memory)
        h1, c1 = self.fine1.advance(torch.cat([z1, h0, h1], -1), c1, late1, words1)
        second = RegionMemory(memory.values, memory.second_keys, memory.bias)
        z2, seen = self.look2(h1 + self.carry(z1), second)
        h2, c2 = self.fine2.advance(torch.cat([z2, h1, h2], -1), c2, late2, words2)
        state.hidden = (h0, c0, h1, c1, h2, c2)
        return torch.cat([h0, h1, h2], -1), seen

    def stage_logits(self, memory: Memory, tokens: Tensor) -> list[Tensor]:
        """Of every stage, given captions: tokens (B, S, T), the inputs -> each (B, S, T, V)."""
        h = torch.stack([h for h, _ in self._unroll(memory, tokens)], dim=2)
        return [self._of_stage(h, stage) for stage in range(STAGES)]

    def _logits(self, h: Tensor) -> Tensor:
        return self._of_stage(h, self.stage)

    def _of_stage(self, h: Tensor, stage: int) -> Tensor:
        layer = (self.output0, self.output1, self.output)[stage]
        logits: Tensor = layer(self.output_dropout(h.chunk(STAGES, -1)[stage]))
        return logits


class NoSettings(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid")


class StagedCrossEntropy(CrossEntropyObjective):
    """The losses of all stages, added up: the mean per word is that of three."""

    Config = NoSettings

    def __init__(self, inputs: LossInputs, config: NoSettings) -> None:
        super().__init__(**inputs.cross_entropy())
        if self.config.scheduled_sampling:
            _refuse("scheduled_sampling", "None")

    def loss(self, taught: Taught) -> Tensor:
        model, smoothing = _staged(taught.model), self.config.label_smoothing
        losses = [
            cross_entropy(logits, taught.targets, smoothing, reduction="sum")
            for logits in model.stage_logits(taught.memory, taught.inputs)
        ]
        return torch.stack(losses).sum()


class StagedSelfCritical(SelfCriticalObjective):
    """SCST of every stage; the baseline of a stage is in half the caption of the stage before."""

    Config = NoSettings

    def __init__(self, inputs: LossInputs, config: NoSettings) -> None:
        super().__init__(**inputs.self_critical())
        for field, value in (("sampling", "multinomial"), ("baseline", "greedy")):
            if getattr(self.config, field) != value:
                _refuse(field, value)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """A number per word and stage."""
        return (STAGES, self.config.samples, self.max_len)

    def step(self, model: Captioner, image_index: Tensor, noise: Tensor) -> StepLoss:
        model = _staged(model)
        model.eval()
        memory = model.encode(self.features.batch(image_index.tolist()).to(self.device))
        image_index, noise = image_index.to(self.device), noise.to(self.device)
        losses, words = [], []
        below: Tensor | None = None
        for stage in range(STAGES):
            with model.at_stage(stage):
                tokens = self._say(model, memory, noise[:, stage])
                log_probs = self.score(model, memory, tokens[:, 1:])
            parts = self.reward.parts(tokens, image_index)
            total = self.reward.combine(parts)
            advantage = staged_advantage(total[:, 1:], total[:, 0], below)
            mask, below = said_mask(tokens[:, 1:]), total[:, 0]
            losses.append(self_critical_loss(log_probs, advantage, mask, reduction="sum"))
            words.append(mask.sum())
        health = policy_health(
            parts, total, advantage, log_probs.detach(), tokens[:, 1:], self.bad_endings
        )
        greedy = pad(tokens[:, 0], (0, self.max_len - tokens.shape[-1]))
        return StepLoss(torch.stack(losses).sum(), torch.stack(words).sum(), health, greedy)

    def _say(self, model: Captioner, memory: Memory, noise: Tensor) -> Tensor:
        """The greedy caption of the present stage, then its samples: `(B, 1 + S, T)`."""
        found = decode(
            model,
            memory,
            self.config.samples,
            max_len=self.max_len,
            forbid=self.forbid,
            noise=noise,
            temperature=self.config.temperature,
        )
        return found.tokens


def _staged(model: Captioner) -> StackCap:
    if isinstance(model, StackCap):
        return model
    what = f"{type(model).__name__} has no stages"
    raise ConfigError(what, "train rivals.stack_cap:StackCap by this loss")


def _refuse(field: str, value: str) -> None:
    raise ConfigError(f"losses of Stack-Cap know '{field}' as {value} only", "mend the profile")


def staged_advantage(samples: Tensor, greedy: Tensor, below: Tensor | None) -> Tensor:
    """What samples gain over the stage's greedy caption and over that of the stage before.

    Shapes: rewards samples (B, S), greedy and below (B,) -> (B, S).
    """
    baseline = greedy if below is None else (greedy + below) / 2
    return samples - baseline[:, None]
