"""Losses against X-modaler's values, and against hand calculation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from gegcore.decoding import said_mask, sequence_log_probs
from gegcore.errors import ConfigError
from gegcore.training.scst import self_critical_advantage, self_critical_loss
from gegcore.training.xe import caption_tensor, cross_entropy, teacher_forcing

GOLDEN = torch.load(
    Path(__file__).parents[2] / "fixtures" / "parity" / "losses.pt", weights_only=True
)


@pytest.mark.parametrize(
    ("smoothing", "name"), [(0.0, "cross_entropy"), (0.1, "label_smoothing_0.1")]
)
def test_cross_entropy_equals_xmodaler(smoothing: float, name: str) -> None:
    xe = GOLDEN["xe"]
    torch.testing.assert_close(cross_entropy(xe["logits"], xe["targets"], smoothing), xe[name])
    total = cross_entropy(xe["logits"], xe["targets"], smoothing, reduction="sum")
    torch.testing.assert_close(total / (xe["targets"] >= 0).sum(), xe[name])


def test_self_critical_loss_equals_xmodaler() -> None:
    rl = GOLDEN["rl"]
    mask = said_mask(rl["tokens"])
    loss = self_critical_loss(rl["logp"][:, None], rl["advantage"][:, None], mask[:, None])
    torch.testing.assert_close(loss, rl["loss"])
    total = self_critical_loss(
        rl["logp"][:, None], rl["advantage"][:, None], mask[:, None], reduction="sum"
    )
    torch.testing.assert_close(total / mask.sum(), rl["loss"])


def test_self_critical_gradient_is_equation_6() -> None:
    logits = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    tokens = torch.randint(1, 6, (2, 3, 4))
    advantage = torch.randn(2, 3, dtype=torch.float64)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    log_probs = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    self_critical_loss(log_probs, advantage, mask).backward()
    onehot = torch.nn.functional.one_hot(tokens, 6)
    expected = -advantage[..., None, None] * (onehot - logits.softmax(-1)) / mask.sum()
    torch.testing.assert_close(logits.grad, expected.detach())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_has_the_right_gradient(
    smoothing: float, reduction: Literal["mean", "sum"]
) -> None:
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 3, -1, 2, 1])
    assert torch.autograd.gradcheck(
        lambda x: cross_entropy(x, targets, smoothing, reduction), (logits,)
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_self_critical_loss_has_the_right_gradient(reduction: Literal["mean", "sum"]) -> None:
    logits = torch.randn(2, 2, 3, 5, dtype=torch.float64, requires_grad=True)
    tokens = torch.tensor([[[3, 1, 0], [2, 0, 0]], [[4, 4, 4], [0, 0, 0]]])
    advantage, mask = torch.randn(2, 2, dtype=torch.float64), said_mask(tokens)

    def loss(x: Tensor) -> Tensor:
        return self_critical_loss(sequence_log_probs(x, tokens), advantage, mask, reduction)

    assert torch.autograd.gradcheck(loss, (logits,))


def test_baselines() -> None:
    samples, greedy = torch.tensor([[1.0, 2.0, 6.0]]), torch.tensor([4.0])
    assert self_critical_advantage(samples, greedy, "greedy").tolist() == [[-3, -2, 2]]
    assert self_critical_advantage(samples, greedy, "mean_of_others").tolist() == [[-3, -1.5, 4.5]]


@pytest.mark.parametrize("baseline", ["greedy", "mean_of_others"])
def test_baselines_of_few_samples(baseline: Literal["greedy", "mean_of_others"]) -> None:
    """A single sample has no others, and is not silently given another baseline."""
    greedy = torch.tensor([4.0, 1.0])
    one = torch.tensor([[1.0], [3.0]])
    assert self_critical_advantage(one, greedy, "greedy").tolist() == [[-3.0], [2.0]]
    with pytest.raises(ConfigError) as caught:
        self_critical_advantage(one, greedy, "mean_of_others")
    assert caught.value.what == "a single sample has no others"
    assert caught.value.fix == "draw 2 or more, or choose greedy"
    two = self_critical_advantage(torch.tensor([[1.0, 6.0], [3.0, 3.0]]), greedy, baseline)
    expected = {"greedy": [[-3.0, 2.0], [2.0, 2.0]], "mean_of_others": [[-5.0, 5.0], [0.0, 0.0]]}
    assert two.tolist() == expected[baseline]


def test_teacher_forcing_follows_xmodaler() -> None:
    inputs, targets = teacher_forcing(torch.tensor([[5, 6, 0, 0], [1, 2, 3, 4]]))
    assert inputs.tolist() == [[0, 5, 6, 0], [0, 1, 2, 3]]
    assert targets.tolist() == [[5, 6, 0, -1], [1, 2, 3, 4]]


def test_caption_tensor_cuts_and_repeats() -> None:
    stacked = caption_tensor([[[1, 2, 3, 4], [5]], [[6]]], max_len=3)
    assert stacked.tolist() == [[[1, 2, 3], [5, 0, 0]], [[6, 0, 0], [6, 0, 0]]]
