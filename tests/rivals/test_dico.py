"""DiCO's loss by hand, and what its gradient does."""

from __future__ import annotations

import math

import pytest
import torch

from rivals.dico import preference_loss


def by_hand(ratio: list[float], rewards: list[float], beta: float, tau: float) -> float:
    winner = rewards.index(max(rewards))
    losers = [i for i in range(len(rewards)) if i != winner]
    weights = [math.exp(tau * (rewards[winner] - rewards[i])) for i in losers]
    share = [weight / sum(weights) for weight in weights]
    margin = ratio[winner] - sum(g * ratio[i] for g, i in zip(share, losers, strict=True))
    return -math.log(1 / (1 + math.exp(-beta * margin)))


@pytest.mark.parametrize(("beta", "tau"), [(0.2, 100.0), (1.0, 1.0), (0.5, 0.0)])
def test_it_is_the_formula(beta: float, tau: float) -> None:
    ratio = [[0.3, -1.2, 2.0], [0.0, 0.5, -0.5]]
    rewards = [[0.71, 0.70, 0.68], [0.2, 0.9, 0.5]]
    found = preference_loss(torch.tensor(ratio), torch.tensor(rewards), beta, tau)
    expected = [by_hand(r, s, beta, tau) for r, s in zip(ratio, rewards, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_at_the_start_it_is_log_two() -> None:
    """pi = pi_ref."""
    losses = preference_loss(torch.zeros(3, 5), torch.rand(3, 5), 0.2, 100.0)
    assert losses.tolist() == pytest.approx([math.log(2)] * 3)


def test_the_winner_gains_and_the_worst_loses_most() -> None:
    ratio = torch.zeros(1, 3, requires_grad=True)
    preference_loss(ratio, torch.tensor([[0.5, 0.9, 0.1]]), 0.2, 5.0).sum().backward()
    assert ratio.grad is not None
    worse, winner, worst = ratio.grad[0].tolist()
    assert winner < 0 < worse < worst
    assert winner + worse + worst == pytest.approx(0, abs=1e-7)


def test_of_two_equals_one_wins() -> None:
    found = preference_loss(torch.tensor([[0.4, -0.1]]), torch.tensor([[0.5, 0.5]]), 1.0, 1.0)
    assert found.item() == pytest.approx(by_hand([0.4, -0.1], [0.5, 0.5], 1.0, 1.0))
