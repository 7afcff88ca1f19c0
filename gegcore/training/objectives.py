"""One training step of each loss: batch of images in, differentiable loss out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gegcore.data.features import FeatureStore
from gegcore.decoding import decode, said_mask, score
from gegcore.models.captioner import Captioner
from gegcore.rewards.reward import WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.scst import self_critical_advantage, self_critical_loss
from gegcore.training.xe import cross_entropy, teacher_forcing


class Objective(Protocol):
    """`step(model, image_index (B,), generator) -> (loss, metrics)`; metrics are 0-d tensors."""

    def step(
        self, model: Captioner, image_index: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]: ...


@dataclass
class CrossEntropyObjective:
    """MLE: each image is encoded once for its C captions.

    Attributes:
        features: the training split's features.
        captions: `(N, C, T)` word ids, on the device.
        config: reads `captions_per_image` and `label_smoothing`.
    """

    features: FeatureStore
    captions: Tensor
    config: ObjectiveConfig

    def step(
        self, model: Captioner, image_index: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        model.train()
        captions = self._draw(image_index, generator)
        width = int((captions > 0).sum(-1).max()) + 1
        inputs, targets = teacher_forcing(captions[..., :width])
        batch = self.features.batch(image_index.tolist()).to(captions.device)
        logits = model(batch, inputs)
        loss = cross_entropy(logits, targets, self.config.label_smoothing)
        return loss, {"loss": loss.detach()}

    def _draw(self, image_index: Tensor, generator: torch.Generator) -> Tensor:
        """Captions of the images, `captions_per_image` of them without replacement."""
        captions = self.captions[image_index.to(self.captions.device)]
        wanted, there = self.config.captions_per_image, captions.shape[1]
        if wanted >= there:
            return captions
        lots = torch.rand(len(captions), there, generator=generator, device=captions.device)
        chosen = lots.argsort(-1)[:, :wanted, None].expand(-1, -1, captions.shape[-1])
        return captions.gather(1, chosen)


@dataclass
class SelfCriticalObjective:
    """SCST with any reward (Eq. 5-7).

    Samples without gradient from the cached decoder, then scores the samples once with gradient.
    Dropout is off in both, so that the scored log-probabilities are those of the sampled policy.

    Attributes:
        features: the training split's features.
        reward: Eq. 7.
        config: reads `samples` and `baseline`.
        max_len: steps of decoding, the end token included.
        forbid: word ids never generated (UNK).
        device: where the model lives.
    """

    features: FeatureStore
    reward: WeightedReward
    config: ObjectiveConfig
    max_len: int
    forbid: tuple[int, ...]
    device: torch.device

    def step(
        self, model: Captioner, image_index: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        model.eval()
        # One encoding, with gradient, serves greedy decoding, sampling and scoring.
        memory = model.encode(self.features.batch(image_index.tolist()).to(self.device))
        decoded = decode(
            model,
            memory,
            samples=self.config.samples,
            greedy=True,
            max_len=self.max_len,
            generator=generator,
            forbid=self.forbid,
        )
        parts = self.reward.parts(decoded.tokens, image_index.to(self.device))
        total = self.reward.combine(parts)
        advantage = self_critical_advantage(total[:, 1:], total[:, 0], self.config.baseline)

        samples = decoded.tokens[:, 1:]
        log_probs, mask = score(model, memory, samples, forbid=self.forbid), said_mask(samples)
        loss = self_critical_loss(log_probs, advantage, mask)
        return loss, self._health(parts, total, advantage, log_probs.detach(), mask, samples)

    def _health(
        self,
        parts: dict[str, Tensor],
        total: Tensor,
        advantage: Tensor,
        log_probs: Tensor,
        mask: Tensor,
        samples: Tensor,
    ) -> dict[str, Tensor]:
        """What tells a healthy policy gradient from a collapsing one."""
        rewards = {f"reward/{name}": value[:, 1:].mean() for name, value in parts.items()}
        spread = {f"reward_std/{name}": value[:, 1:].std() for name, value in parts.items()}
        return (
            rewards
            | spread
            | {
                "reward": total[:, 1:].mean(),
                "reward_greedy": total[:, 0].mean(),
                "positive_advantage": (advantage > 0).float().mean(),
                "length": (samples > 0).sum(-1).float().mean(),
                # Mean negative log-probability of sampled words estimates the entropy per word.
                "entropy": -(log_probs * mask).sum() / mask.sum(),
            }
        )
