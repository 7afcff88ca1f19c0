"""One step of each objective: rewards move the policy, and what is reported is what happened."""

from __future__ import annotations

import pytest
import torch
from tiny_training import (
    IMAGES,
    MAX_LEN,
    VOCAB,
    Features,
    noise,
    self_critical,
    small_model,
    wants,
)
from torch import Tensor

from gegcore.decoding import decode
from gegcore.errors import ConfigError
from gegcore.models import ARCHITECTURES
from gegcore.training.config import NULLABLE, OBJECTIVES, ObjectiveConfig, objective_config
from gegcore.training.objectives import CrossEntropyObjective, Taught
from gegcore.training.recipes import RECIPES, recipe
from gegcore.training.schedule import learning_rate
from gegcore.training.scst import caption_variety, policy_health
from gegcore.training.xe import caption_tensor


@pytest.mark.parametrize("sampling", ["multinomial", "beam"])
@pytest.mark.parametrize("baseline", ["greedy", "mean_of_others"])
def test_self_critical_training_follows_the_reward(baseline: str, sampling: str) -> None:
    config = ObjectiveConfig(loss="self_critical", baseline=baseline, sampling=sampling, samples=6)
    model, objective = small_model(), self_critical(config, word=(1.0, wants(8)))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    rewards = []
    for step in range(30):
        result = objective.step(model, torch.arange(IMAGES), noise(objective, step))
        optimiser.zero_grad()
        (result.total / result.tokens).backward()
        optimiser.step()
        rewards.append(result.metrics["reward"].item())
    assert sum(rewards[-5:]) > 2 * sum(rewards[:5])
    assert not model.training  # dropout is off while sampling and scoring


def test_parts_of_the_reward_are_weighted_and_reported() -> None:
    config = ObjectiveConfig(loss="self_critical", samples=3)
    objective = self_critical(config, a=(0.1, wants(3)), b=(10.0, wants(4)))
    health = objective.step(small_model(), torch.arange(2), noise(objective, 0, 2)).metrics
    expected = 0.1 * health["reward/a"] + 10.0 * health["reward/b"]
    torch.testing.assert_close(health["reward"], expected)


def test_health_by_hand() -> None:
    samples = torch.tensor([[[5, 2, 0], [5, 2, 0], [5, 0, 0]], [[1, 1, 3], [0, 0, 0], [4, 2, 0]]])
    reward = torch.tensor([[1.0, 1.0, 2.0, 3.0], [0.0, 4.0, 4.0, 4.0]])
    log_probs = -0.5 * torch.ones(2, 3, 3)
    health = policy_health(
        {"x": reward}, reward, reward[:, 1:] - 2, log_probs, samples, torch.tensor([2, 9])
    )
    found = {name: round(value.item(), 4) for name, value in health.items()}
    assert found == {
        "reward/x": 3.0,
        "reward_std/x": 0.4082,  # sqrt(2 / 3) for the first image, 0 for the second
        "reward": 3.0,
        "reward_std": 0.4082,
        "reward_greedy": 0.5,
        "positive_advantage": 0.6667,
        "length": 1.6667,
        "entropy": 0.5,
        "distinct": 0.8333,
        "bad_endings": 0.5,
        "empty": 0.1667,
        "unfinished": 0.1667,
    }


def test_health_of_as_many_images_as_samples_and_words_differ() -> None:
    """One image, two samples of four words at most: no axis can stand for another."""
    samples = torch.tensor([[[5, 2, 3, 1], [7, 0, 0, 0]]])
    reward = torch.tensor([[0.5, 1.0, 4.0]])
    log_probs = torch.tensor([[[-1.0, -2.0, -3.0, -4.0], [-1.0, -2.0, 9.0, 9.0]]])
    advantage = torch.tensor([[0.0, 3.5]])
    health = policy_health(
        {"x": 2 * reward}, reward, advantage, log_probs, samples, torch.tensor([7])
    )
    found = {name: round(value.item(), 4) for name, value in health.items()}
    assert found == {
        "reward/x": 5.0,
        "reward_std/x": 3.0,
        "reward": 2.5,
        "reward_std": 1.5,
        "reward_greedy": 0.5,
        "positive_advantage": 0.5,  # none is not positive
        "length": 2.5,
        "entropy": 2.0,  # 2.5 and, the end token counting, 1.5
        "distinct": 1.0,
        "bad_endings": 0.5,
        "empty": 0.0,
        "unfinished": 0.5,
    }


@pytest.mark.parametrize(
    ("captions", "opening", "different"),
    [
        ([[1, 2, 3], [1, 2, 4], [1, 3, 3], [1, 2, 3]], 3 / 4, 3 / 4),
        ([[1, 0, 0], [1, 0, 0], [1, 0, 0], [2, 1, 0]], 3 / 4, 2 / 4),  # of one word
        ([[1, 2, 3], [2, 1, 3], [3, 1, 2], [4, 1, 2]], 1 / 4, 1.0),
        ([[5], [5]], 1.0, 1 / 2),
        ([[5, 6, 7, 8, 9]], 1.0, 1.0),
    ],
)
def test_variety_by_hand(captions: list[list[int]], opening: float, different: float) -> None:
    found = caption_variety(torch.tensor(captions))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"opening": opening, "different": different}
    )


@pytest.mark.parametrize("sampling", ["multinomial", "beam"])
def test_a_step_gives_its_greedy_captions_in_full_width(sampling: str) -> None:
    config = ObjectiveConfig(loss="self_critical", sampling=sampling)
    objective, model = self_critical(config, w=(1.0, wants(3))), small_model()
    greedy = objective.step(model, torch.arange(IMAGES), noise(objective, 0)).greedy
    assert greedy is not None and greedy.shape == (IMAGES, MAX_LEN)
    model.eval()
    memory = model.encode(Features().batch(range(IMAGES)))
    said = decode(model, memory, max_len=MAX_LEN, forbid=(VOCAB - 1,)).tokens[:, 0]
    assert greedy[:, : said.shape[1]].tolist() == said.tolist()
    assert not greedy[:, said.shape[1] :].any()


def test_the_same_noise_gives_the_same_step() -> None:
    objective = self_critical(ObjectiveConfig(loss="self_critical"), w=(1.0, wants(3)))
    model = small_model()
    first, second, other = (
        objective.step(model, torch.arange(IMAGES), noise(objective, seed)).total
        for seed in (7, 7, 8)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_cross_entropy_draws_captions_without_replacement() -> None:
    captions = caption_tensor([[[1], [2], [3], [4], [5]]] * IMAGES, max_len=4)
    config = ObjectiveConfig(loss="cross_entropy", captions_per_image=3)
    seen: list[Taught] = []

    class Seen(CrossEntropyObjective):
        def loss(self, taught: Taught) -> Tensor:
            seen.append(taught)
            return super().loss(taught)

    objective = Seen(Features(), captions, config)
    objective.step(small_model(), torch.arange(IMAGES), noise(objective, 1))
    drawn = seen[0].targets[..., 0]
    assert drawn.shape == (IMAGES, 3)
    assert torch.equal(drawn, captions[:, :, 0].gather(1, seen[0].chosen))
    for image in drawn.tolist():
        assert len(set(image)) == 3
    assert len({tuple(image) for image in drawn.tolist()}) > 1


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
        assert result.tokens == 4 * IMAGES  # three words and the end
        optimiser.zero_grad()
        (result.total / result.tokens).backward()
        optimiser.step()
        losses.append(result.total.item())
    assert losses[-1] < 0.5 * losses[0]


def test_schedules() -> None:
    def rates(steps: int, **settings: object) -> list[float]:
        config = ObjectiveConfig(loss="cross_entropy", learning_rate=1.0, **settings)
        return [learning_rate(config, step, steps) for step in range(steps)]

    cosine = rates(110, warmup_steps=10, schedule="cosine")
    assert cosine[0] == pytest.approx(0.1) and max(cosine) == pytest.approx(1.0)
    assert cosine[60] == pytest.approx(0.5) and cosine[-1] < 0.01
    assert set(rates(9)) == {1.0}
    stepped = rates(14, schedule="step", epochs=7, decay_every=3)  # two steps an epoch
    assert stepped == pytest.approx([1.0] * 6 + [0.8] * 6 + [0.64] * 2)


@pytest.mark.parametrize(("model", "width"), [("transformer", 512), ("xlan", 1024)])
def test_noam_is_the_formula_of_xmodaler(model: str, width: int) -> None:
    config = objective_config("mle", recipe(model, "mle"))
    for s in (1, 500, 9_999, 10_000, 10_001, 90_000):
        expected = width**-0.5 * min(s**-0.5, s * 10_000**-1.5)
        assert learning_rate(config, s - 1, 10**6) == pytest.approx(expected, rel=1e-12)


def test_every_model_has_a_valid_recipe_for_every_objective() -> None:
    published = set(RECIPES["mle"])
    assert published == set(RECIPES["scst"]) <= set(ARCHITECTURES)
    configs = {
        (model, name): objective_config(name, recipe(model, name))
        for model in ARCHITECTURES
        for name in OBJECTIVES
    }
    sampled = {m for m in published if configs[m, "mle"].scheduled_sampling}
    assert sampled == published - {"transformer", "meshed_memory"}
    for model in published:
        geg = configs[model, "scst_geg"]  # Sec. 4.1 has one setting for all models
        assert (geg.learning_rate, geg.epochs, geg.schedule) == (5e-5, 10, "constant")
        assert configs[model, "scst_pp"].learning_rate == configs[model, "scst"].learning_rate
        assert configs[model, "scst_pp"].epochs == geg.epochs
    assert not any(recipe("package.module:Captioner", name) for name in OBJECTIVES)


def test_the_ablations_differ_from_geg_in_their_reward_only() -> None:
    geg = OBJECTIVES["scst_geg"].model_dump()
    changed = {
        name: {k for k, v in OBJECTIVES[name].model_dump().items() if v != geg[k]} - {"label"}
        for name in ("mle_geg", "scst_er", "scst_geg_min", "scst_geg_sole")
    }
    assert changed == {
        "mle_geg": {"start_from"},
        "scst_er": {"rewards"},
        "scst_geg_min": {"rewards"},
        "scst_geg_sole": {"rewards", "select", "guards"},
    }


def test_the_mean_of_others_needs_others() -> None:
    alone = {"baseline": "mean_of_others", "samples": 1}
    with pytest.raises(
        ConfigError, match="'scst', field 'baseline': mean_of_others of 1"
    ) as caught:
        objective_config("scst", alone)
    assert caught.value.fix == "set samples to 2 or more, or baseline to greedy"
    assert objective_config("scst", alone | {"samples": 2}).samples == 2
    assert objective_config("scst", alone | {"baseline": "greedy"}).samples == 1
    assert objective_config("mle", alone).samples == 1  # where nothing is sampled


def test_what_may_be_none() -> None:
    assert {"start_from", "scheduled_sampling", "clip_value", "clip_norm", "until"} == NULLABLE


def test_noise_is_as_large_as_needed() -> None:
    drawing = ObjectiveConfig(loss="self_critical", samples=3)
    assert self_critical(drawing, w=(1.0, wants(3))).noise_shape == (3, MAX_LEN)
    beam = drawing.model_copy(update={"sampling": "beam"})
    assert self_critical(beam, w=(1.0, wants(3))).noise_shape == ()
