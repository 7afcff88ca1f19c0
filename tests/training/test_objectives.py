"""One step of each objective: what is sampled is what is scored, and rewards move the policy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import build_captioner
from gegcore.rewards import WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, Objective, SelfCriticalObjective
from gegcore.training.schedule import learning_rate
from gegcore.training.xe import caption_tensor

VOCAB, WIDTH, IMAGES = 12, 6, 4


class Features:
    """Random regions, drawn once."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.regions = torch.randn(IMAGES, 3, WIDTH, generator=generator)

    def batch(self, indices: Sequence[int]) -> FeatureBatch:
        regions = self.regions[list(indices)]
        boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(len(regions), 3, 4)
        mask = torch.ones(len(regions), 3, dtype=torch.bool)
        return FeatureBatch(regions.mean(1), None, regions, boxes, None, mask)


def small_model() -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "ffn_width": 32}
    return build_captioner("transformer", VOCAB, InputSizes(WIDTH), **sizes)


def wants(word: int):  # type: ignore[no-untyped-def]
    """Reward: how often a caption says one word."""

    def reward(tokens: Tensor, image_index: Tensor) -> Tensor:
        assert image_index.shape == tokens.shape[:1]
        return (tokens == word).sum(-1).float()

    return reward


def self_critical(config: ObjectiveConfig, terms: dict) -> SelfCriticalObjective:  # type: ignore[type-arg]
    return SelfCriticalObjective(
        Features(),
        WeightedReward(terms),
        config,
        8,
        (VOCAB - 1,),
        torch.device("cpu"),
        bad_endings=torch.tensor([2]),
    )


def noise(objective: Objective, seed: int, images: int = IMAGES) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (images, *objective.noise_shape)
    return torch.rand(shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("baseline", ["greedy", "mean_of_others"])
def test_self_critical_training_follows_the_reward(baseline: str) -> None:
    config = ObjectiveConfig(loss="self_critical", baseline=baseline, samples=6)
    model, objective = small_model(), self_critical(config, {"word": (1.0, wants(3))})
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    rewards = []
    for step in range(40):
        result = objective.step(model, torch.arange(IMAGES), noise(objective, step))
        optimiser.zero_grad()
        (result.total / result.tokens).backward()
        optimiser.step()
        rewards.append(result.metrics["reward"].item())
    assert sum(rewards[-5:]) > 2 * sum(rewards[:5])
    assert not model.training  # dropout is off while sampling and scoring


def test_parts_of_the_reward_are_weighted_and_reported() -> None:
    config = ObjectiveConfig(loss="self_critical", samples=3)
    objective = self_critical(config, {"a": (0.1, wants(3)), "b": (10.0, wants(4))})
    health = objective.step(small_model(), torch.arange(2), noise(objective, 0, 2)).metrics
    expected = 0.1 * health["reward/a"] + 10.0 * health["reward/b"]
    torch.testing.assert_close(health["reward"], expected)


def test_the_same_noise_gives_the_same_step() -> None:
    objective = self_critical(ObjectiveConfig(loss="self_critical"), {"w": (1.0, wants(3))})
    model = small_model()
    first, second = (
        objective.step(model, torch.arange(IMAGES), noise(objective, 7)).total for _ in range(2)
    )
    assert torch.equal(first, second)


def test_cross_entropy_draws_captions_without_replacement() -> None:
    captions = caption_tensor([[[1], [2], [3], [4], [5]]] * IMAGES, max_len=4)
    config = ObjectiveConfig(loss="cross_entropy", captions_per_image=3)
    objective = CrossEntropyObjective(Features(), captions, config)
    drawn = objective._draw(torch.arange(IMAGES), noise(objective, 1))
    assert drawn.shape == (IMAGES, 3, 4)
    for image in drawn[..., 0].tolist():
        assert len(set(image)) == 3


def test_cross_entropy_learns() -> None:
    captions = caption_tensor([[[1, 2, 3]]] * IMAGES, max_len=6)
    objective = CrossEntropyObjective(
        Features(), captions, ObjectiveConfig(loss="cross_entropy", label_smoothing=0.0)
    )
    model = small_model()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        result = objective.step(model, torch.arange(IMAGES), noise(objective, 0))
        loss = result.total / result.tokens
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_schedules() -> None:
    config = ObjectiveConfig(
        loss="cross_entropy", learning_rate=1.0, warmup_steps=10, schedule="cosine"
    )
    rates = [learning_rate(config, step, 110) for step in range(110)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5) and rates[-1] < 0.01
    constant = ObjectiveConfig(loss="cross_entropy", learning_rate=2.0)
    assert {learning_rate(constant, step, 9) for step in range(9)} == {2.0}
