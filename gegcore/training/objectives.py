"""One training step of each loss: images and random numbers in, differentiable loss out.

A step depends on its images, each with its own row of random numbers, and on nothing else (but
for dropout): a batch in one piece, in micro-batches or on several devices gives one sum of losses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from gegcore.data.features import FeatureStore
from gegcore.decoding import beam_search, compiled_step, decode, said_mask, score
from gegcore.decoding.growth import Step
from gegcore.models.captioner import Captioner, Memory
from gegcore.rewards.reward import WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.scheduled_sampling import scheduled_logits, scheduled_probability
from gegcore.training.scst import policy_health, self_critical_advantage, self_critical_loss
from gegcore.training.xe import IGNORED, cross_entropy, teacher_forcing


@dataclass(frozen=True)
class StepLoss:
    """What a step gives for its images.

    Attributes:
        total: scalar with gradient, the sum of the loss over real tokens.
        tokens: 0-d, how many these are: `total / tokens` is the mean loss.
        metrics: 0-d tensors on the device, means over these images.
        greedy: their greedy captions `(B, T)`, T always the same; None where none were decoded.
    """

    total: Tensor
    tokens: Tensor
    metrics: dict[str, Tensor]
    greedy: Tensor | None = None


class Objective(Protocol):
    """A loss over the training split."""

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Of the random numbers that one image needs."""

    def start_epoch(self, epoch: int) -> None:
        """Say which epoch the next steps belong to, from 0; some settings depend on it."""

    def step(self, model: Captioner, image_index: Tensor, noise: Tensor) -> StepLoss:
        """Shapes: image_index (B,); noise (B, *noise_shape) float64, uniform in [0, 1)."""


@dataclass
class CrossEntropyObjective:
    """MLE: each image is encoded once for its C captions.

    Attributes:
        features: of the training split.
        captions: `(N, C, T)` word ids, on the device.
    """

    features: FeatureStore
    captions: Tensor
    config: ObjectiveConfig
    own_words: float = field(default=0.0, init=False)  # probability of scheduled sampling

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """A lot per caption; with scheduled sampling also a coin and a number per word."""
        _, there, length = self.captions.shape
        per_word = 2 * self._drawn * length if self.config.scheduled_sampling else 0
        return (there + per_word,)

    @property
    def _drawn(self) -> int:
        return min(self.config.captions_per_image, self.captions.shape[1])

    def start_epoch(self, epoch: int) -> None:
        if self.config.scheduled_sampling is not None:
            self.own_words = scheduled_probability(self.config.scheduled_sampling, epoch)

    def step(self, model: Captioner, image_index: Tensor, noise: Tensor) -> StepLoss:
        model.train()
        lots, words = noise.to(self.captions.device).tensor_split([self.captions.shape[1]], dim=1)
        captions = self._draw(image_index, lots)
        width = int((captions > 0).sum(-1).max()) + 1
        inputs, targets = teacher_forcing(captions[..., :width])
        memory = model.encode(self.features.batch(image_index.tolist()).to(captions.device))
        if self.own_words > 0:
            numbers = words.view(len(captions), 2, self._drawn, -1)[..., : inputs.shape[-1]]
            logits = scheduled_logits(model, memory, inputs, self.own_words, *numbers.unbind(1))
        else:
            logits = model.decode_teacher_forced(memory, inputs)
        total = cross_entropy(logits, targets, self.config.label_smoothing, reduction="sum")
        return StepLoss(total, (targets != IGNORED).sum(), {})

    def _draw(self, image_index: Tensor, lots: Tensor) -> Tensor:
        """Captions of the images, `captions_per_image` of them without replacement."""
        captions = self.captions[image_index.to(self.captions.device)]
        if self._drawn == captions.shape[1]:
            return captions
        chosen = lots.argsort(-1)[:, : self._drawn, None].expand(-1, -1, captions.shape[-1])
        return captions.gather(1, chosen)


@dataclass
class SelfCriticalObjective:
    """SCST with any reward (Eq. 5-7).

    Samples without gradient from the cached decoder, then scores the samples once with gradient.
    Dropout is off in both, so that the scored log-probabilities are those of the sampled policy.

    Attributes:
        features: of the training split.
        max_len: steps of decoding, the end token included.
        forbid: word ids never generated (UNK).
        device: where the model lives.
        bad_endings: word ids `(W,)` that no caption should end with, counted in the metrics.
    """

    features: FeatureStore
    reward: WeightedReward
    config: ObjectiveConfig
    max_len: int
    forbid: tuple[int, ...]
    device: torch.device
    bad_endings: Tensor
    _compiled: Step | None = field(default=None, init=False, repr=False)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """A number per word; beam search draws nothing."""
        return (self.config.samples, self.max_len) if self.config.sampling == "multinomial" else ()

    def start_epoch(self, epoch: int) -> None:
        """Nothing here depends on the epoch."""

    def step(self, model: Captioner, image_index: Tensor, noise: Tensor) -> StepLoss:
        model.eval()
        # One encoding, with gradient, serves greedy decoding, sampling and scoring.
        memory = model.encode(self.features.batch(image_index.tolist()).to(self.device))
        image_index = image_index.to(self.device)  # before sampling: a GPU is waited for
        tokens = self._captions(model, memory, noise.to(self.device))
        parts = self.reward.parts(tokens, image_index)
        total = self.reward.combine(parts)
        advantage = self_critical_advantage(total[:, 1:], total[:, 0], self.config.baseline)

        samples = tokens[:, 1:]
        drawn = self.config.sampling == "multinomial"
        temperature = self.config.temperature if drawn else 1.0  # the very policy that was sampled
        log_probs = score(model, memory, samples, self.forbid, temperature=temperature)
        mask = said_mask(samples)
        loss = self_critical_loss(log_probs, advantage, mask, reduction="sum")
        health = policy_health(
            parts, total, advantage, log_probs.detach(), samples, self.bad_endings
        )
        greedy = pad(tokens[:, 0], (0, self.max_len - tokens.shape[-1]))
        return StepLoss(loss, mask.sum(), health, greedy)

    def _captions(self, model: Captioner, memory: Memory, noise: Tensor) -> Tensor:
        """The greedy caption, then the samples: `(B, 1 + S, T)`."""
        config = self.config
        limits: dict[str, Any] = {"max_len": self.max_len, "forbid": self.forbid}
        if config.sampling == "multinomial":
            if config.compile_decoder and self._compiled is None:
                self._compiled = compiled_step(model)
            limits |= {"noise": noise, "temperature": config.temperature, "step": self._compiled}
            return decode(model, memory, config.samples, **limits).tokens
        greedy = decode(model, memory, **limits).tokens
        found = beam_search(model, memory, config.samples, **limits).tokens
        length = max(greedy.shape[-1], found.shape[-1])
        return torch.cat([pad(x, (0, length - x.shape[-1])) for x in (greedy, found)], 1)
