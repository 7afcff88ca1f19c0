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

from gegcore.data.features import FeatureBatch, FeatureStore
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


@dataclass(frozen=True)
class Taught:
    """Reference captions in one step of MLE, D of the C that each of B images has.

    Attributes:
        memory: the encoded images.
        image_index: `(B,)`, on the device.
        chosen: `(B, D)`, which of their references these are.
        inputs, targets: `(B, D, T)`, see `teacher_forcing`.
        noise: `(B, ...)` of scheduled sampling.
    """

    model: Captioner
    memory: Memory
    image_index: Tensor
    chosen: Tensor
    inputs: Tensor
    targets: Tensor
    noise: Tensor


@dataclass
class CrossEntropyObjective:
    """MLE: each image is encoded once for its C captions.

    A loss of one's own derives from it, and overrides `encode` or `loss`.

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
        device = self.captions.device
        lots, words = noise.to(device).tensor_split([self.captions.shape[1]], dim=1)
        chosen = self._choose(lots)
        captions = self.captions[image_index.to(device)]
        captions = captions.gather(1, chosen[..., None].expand(-1, -1, captions.shape[-1]))
        width = int((captions > 0).sum(-1).max()) + 1
        inputs, targets = teacher_forcing(captions[..., :width])
        memory = self.encode(model, image_index)
        taught = Taught(model, memory, image_index.to(device), chosen, inputs, targets, words)
        return StepLoss(self.loss(taught), (targets != IGNORED).sum(), {})

    def encode(self, model: Captioner, image_index: Tensor) -> Memory:
        """The images of a step, encoded. Shapes: image_index (B,), on the CPU."""
        return model.encode(self.features.batch(image_index.tolist()).to(self.captions.device))

    def loss(self, taught: Taught) -> Tensor:
        """Sum of the loss over all targets, a scalar with gradient."""
        logits = self.logits(taught)
        return cross_entropy(logits, taught.targets, self.config.label_smoothing, reduction="sum")

    def logits(self, taught: Taught) -> Tensor:
        """Of teacher forcing, or of scheduled sampling: `(B, D, T, V)`."""
        model, memory, inputs = taught.model, taught.memory, taught.inputs
        if self.own_words == 0:
            return model.decode_teacher_forced(memory, inputs)
        numbers = taught.noise.view(len(inputs), 2, self._drawn, -1)[..., : inputs.shape[-1]]
        return scheduled_logits(model, memory, inputs, self.own_words, *numbers.unbind(1))

    def _choose(self, lots: Tensor) -> Tensor:
        """`captions_per_image` of C references, without replacement: `(B, C)` -> `(B, D)`."""
        images, there = lots.shape
        if self._drawn == there:
            return torch.arange(there, device=lots.device).expand(images, there)
        return lots.argsort(-1)[:, : self._drawn]


@dataclass(frozen=True)
class Sampled:
    """Captions in one step of SCST: the greedy one, then S samples, of B images.

    Attributes:
        features: of the images, on the device.
        memory: the same encoded, with gradient.
        image_index: `(B,)`.
        tokens: `(B, 1 + S, T)`.
        rewards: `(B, 1 + S)`.
        advantage: `(B, S)`, of the samples over the baseline.
        log_probs: `(B, S, T)` of the samples' words, with gradient; 0 where there is none.
    """

    model: Captioner
    features: FeatureBatch
    memory: Memory
    image_index: Tensor
    tokens: Tensor
    rewards: Tensor
    advantage: Tensor
    log_probs: Tensor

    @property
    def samples(self) -> Tensor:
        """`(B, S, T)`, without the greedy caption."""
        return self.tokens[:, 1:]


@dataclass
class SelfCriticalObjective:
    """SCST with any reward (Eq. 5-7).

    Samples without gradient from the cached decoder, then scores the samples once with gradient.
    Dropout is off in both, so that the scored log-probabilities are those of the sampled policy.
    A loss of one's own derives from it, and overrides `loss`.

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
        features = self.features.batch(image_index.tolist()).to(self.device)
        memory = model.encode(features)
        image_index = image_index.to(self.device)  # before sampling: a GPU is waited for
        tokens = self._captions(model, memory, noise.to(self.device))
        parts = self.reward.parts(tokens, image_index)
        total = self.reward.combine(parts)
        advantage = self_critical_advantage(total[:, 1:], total[:, 0], self.config.baseline)

        samples = tokens[:, 1:]
        log_probs = self.score(model, memory, samples)
        step = Sampled(model, features, memory, image_index, tokens, total, advantage, log_probs)
        health = policy_health(
            parts, total, advantage, log_probs.detach(), samples, self.bad_endings
        )
        greedy = pad(tokens[:, 0], (0, self.max_len - tokens.shape[-1]))
        return StepLoss(self.loss(step), said_mask(samples).sum(), health, greedy)

    def loss(self, step: Sampled) -> Tensor:
        """Sum of the loss over all words of the samples, a scalar with gradient (Eq. 6)."""
        mask = said_mask(step.samples)
        return self_critical_loss(step.log_probs, step.advantage, mask, reduction="sum")

    def score(self, model: Captioner, memory: Memory, samples: Tensor) -> Tensor:
        """Log-probabilities `(B, S, T)` of samples under the very policy that draws them."""
        drawn = self.config.sampling == "multinomial"
        temperature = self.config.temperature if drawn else 1.0
        return score(model, memory, samples, self.forbid, temperature=temperature)

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
