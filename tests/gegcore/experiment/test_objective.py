"""From settings to rewards: what each name of Eq. 7 stands for, computed here a second time."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import six_scenes
import torch
from six_scenes import CLIP, IMAGES, INDEX, MEMBERS, REFERENCES, TABLE, WORDS, WORLD
from torch import Tensor

from gegcore.errors import ConfigError
from gegcore.experiment.objective import build_objective
from gegcore.groups import SimilarGroups
from gegcore.rewards import RewardInputs, build_rewards, cider_d, document_frequency
from gegcore.training.config import OBJECTIVES, ObjectiveConfig
from gegcore.training.objectives import CrossEntropyObjective, SelfCriticalObjective

MAX_LEN = 12
tokens = partial(six_scenes.tokens, MAX_LEN)


def materials() -> Any:
    """Those of the training split, and of no other."""
    return SimpleNamespace(
        features={"train": "the features"},
        data={"train": WORLD},
        vocabulary=WORDS,
        references={"train": REFERENCES}.__getitem__,
        clip=CLIP,
        tables={"train": TABLE},
        groups={"train": SimilarGroups(torch.tensor(MEMBERS), torch.zeros(IMAGES, 3))},
        device=torch.device("cpu"),
        profile=SimpleNamespace(max_len=MAX_LEN),
    )


def given(**changed: Any) -> RewardInputs:
    prepared = materials()
    parts = {"references": REFERENCES, "images": TABLE.images, "groups": prepared.groups["train"]}
    return RewardInputs(**{"vocabulary": WORDS, "clip": CLIP, **parts, **changed})


def by_hand(count_end: bool = True) -> dict[str, np.ndarray]:
    """Each reward of `tokens()`, caption by caption, as the equations have it."""
    images = TABLE.images.double().numpy()
    found: dict[str, list[float]] = {"similarity": [], "geg_avg": [], "geg_min": []}
    for row, image in zip(tokens().tolist(), INDEX.tolist(), strict=True):
        for caption in CLIP.encode_texts([WORDS.decode(ids) for ids in row]).double().numpy():
            own = float(caption @ images[image])
            others = [float(caption @ images[other]) for other in MEMBERS[image]]
            found["similarity"].append(own)  # Eq. 1
            found["geg_avg"].append(own - sum(others) / 3)  # Eq. 3
            found["geg_min"].append(own - max(others))  # Eq. 4
    references = [REFERENCES[image] for image in INDEX]
    frequency = document_frequency(REFERENCES, len(WORDS), count_end)
    cider = cider_d(tokens(), references, frequency).numpy()
    return {name: np.reshape(values, (-1, 2)) for name, values in found.items()} | {"cider": cider}


def assert_equal(found: Tensor, expected: np.ndarray) -> None:
    assert found.shape == (len(INDEX), 2) and found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5, rtol=2e-5)


def test_the_rewards_tell_each_other_apart() -> None:
    """Otherwise the tests below would show nothing."""
    values = list(by_hand().values())
    for i, one in enumerate(values):
        assert all(np.abs(one - other).min() > 1e-3 for other in values[:i])


@pytest.mark.parametrize("name", ["cider", "geg_avg", "geg_min", "similarity"])
def test_a_name_stands_for_its_equation(name: str) -> None:
    reward = build_rewards({name: 2.0}, given())
    assert_equal(reward.parts(tokens(), INDEX)[name], by_hand()[name])
    assert_equal(reward(tokens(), INDEX), 2 * by_hand()[name])


PAPER: dict[str, dict[str, float]] = {
    "scst": {"cider": 1.0},
    "scst_pp": {"cider": 1.0},
    "scst_er": {"cider": 0.1, "similarity": 10.0},
    "scst_geg": {"cider": 0.1, "geg_avg": 10.0},
    "mle_geg": {"cider": 0.1, "geg_avg": 10.0},
    "scst_geg_min": {"cider": 0.1, "geg_min": 10.0},
    "scst_geg_sole": {"geg_avg": 10.0},
}
"""Eq. 7 with the weights of Sec. 4.1, for each row of the paper's tables."""


def test_every_self_critical_objective_is_checked() -> None:
    losses = {name: config.loss for name, config in OBJECTIVES.items()}
    assert losses == {"mle": "cross_entropy"} | dict.fromkeys(PAPER, "self_critical")


@pytest.mark.parametrize("name", PAPER)
def test_an_objective_of_the_paper_is_rewarded_by_its_equation(name: str) -> None:
    objective = build_objective(materials(), OBJECTIVES[name])
    assert isinstance(objective, SelfCriticalObjective)
    values = by_hand()
    expected = sum(weight * values[part] for part, weight in PAPER[name].items())
    assert_equal(objective.reward(tokens(), INDEX), np.asarray(expected))
    parts = objective.reward.parts(tokens(), INDEX)
    assert list(parts) == list(PAPER[name])
    for part, value in parts.items():
        assert_equal(value, values[part])


@pytest.mark.parametrize("count_end", [False, True])
def test_the_end_token_counts_as_the_settings_say(count_end: bool) -> None:
    config = ObjectiveConfig(loss="self_critical", count_end=count_end)
    objective = build_objective(materials(), config)
    assert isinstance(objective, SelfCriticalObjective)
    assert_equal(objective.reward(tokens(), INDEX), by_hand(count_end)["cider"])
    assert np.abs(by_hand(True)["cider"] - by_hand(False)["cider"]).max() > 0.01


def test_what_else_a_self_critical_objective_gets() -> None:
    config = OBJECTIVES["scst_geg"]
    objective = build_objective(materials(), config)
    assert isinstance(objective, SelfCriticalObjective)
    assert objective.features == "the features" and objective.config is config
    assert (objective.max_len, objective.forbid) == (MAX_LEN, WORDS.forbidden)
    assert objective.device == torch.device("cpu")
    bad = {WORDS.words[i - 1] for i in objective.bad_endings.tolist()}
    assert {"a", "of", "with"} & set(WORDS.words) <= bad and "a" in bad


def test_cross_entropy_gets_the_captions_of_the_training_split() -> None:
    config = ObjectiveConfig(loss="cross_entropy")
    objective = build_objective(materials(), config)
    assert isinstance(objective, CrossEntropyObjective)
    assert objective.features == "the features" and objective.config is config
    for image, captions in enumerate(REFERENCES):
        for number, ids in enumerate(captions):
            row = [*ids, *[0] * MAX_LEN][:MAX_LEN]
            assert objective.captions[image, number].tolist() == row


@pytest.mark.parametrize("loss", ["self_critical", "cross_entropy"])
def test_everything_a_step_reads_is_put_on_the_device(loss: Any) -> None:
    prepared = materials()
    prepared.device = torch.device("meta")
    config = ObjectiveConfig(loss=loss, rewards={"cider": 1.0, f"{__name__}:ones": 1.0})
    objective = build_objective(prepared, config)
    if isinstance(objective, CrossEntropyObjective):
        assert objective.captions.device.type == "meta"
    else:
        assert isinstance(objective, SelfCriticalObjective)
        (_, cider), (weight, own) = objective.reward.weighted.values()
        assert {buffer.device.type for buffer in cider.buffers()} == {"meta"}
        assert (weight, own) == (1.0, ones)
        assert objective.bad_endings.device.type == objective.device.type == "meta"


def ones(tokens: Tensor, image_index: Tensor) -> Tensor:
    return torch.ones(tokens.shape[:2])


class Counted:
    """A reward that is constructed with what the training split offers."""

    def __init__(self, inputs: RewardInputs) -> None:
        self.inputs = inputs

    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        return torch.full(tokens.shape[:2], float(len(self.inputs.references)))


def test_rewards_of_ones_own_are_weighted_like_any_other() -> None:
    config = ObjectiveConfig(
        loss="self_critical",
        rewards={"cider": 0.5, "mine": 3.0, f"{__name__}:Counted": 2.0, f"{__name__}:ones": 7.0},
    )
    objective = build_objective(materials(), config, {"mine": ones})
    assert isinstance(objective, SelfCriticalObjective)
    expected = 0.5 * by_hand()["cider"] + 3.0 + 2.0 * IMAGES + 7.0
    assert_equal(objective.reward(tokens(), INDEX), expected)


def test_ones_own_reward_goes_before_a_name_of_ours() -> None:
    assert build_rewards({"cider": 1.0}, given(), {"cider": ones})(tokens(), INDEX).eq(1).all()


def test_a_term_of_weight_zero_is_not_built() -> None:
    """It may need what is not there."""
    reward = build_rewards({"cider": 1.0, "geg_avg": 0, "nowhere:absent": 0.0}, given())
    assert list(reward.parts(tokens(), INDEX)) == ["cider"]
    assert list(build_rewards({"cider": -1.0}, given()).weighted) == ["cider"]
    for weights in ({}, {"cider": 0.0}):
        with pytest.raises(ConfigError, match="nothing to reward"):
            build_rewards(weights, given())


def test_what_is_no_reward_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown reward 'bleu'"):
        build_rewards({"bleu": 1.0}, given())
    with pytest.raises(ConfigError, match=f"'{__name__}:PAPER' cannot be called"):
        build_rewards({f"{__name__}:PAPER": 1.0}, given())
