"""The example runs as its readers run it, without a network, and trains through TRL."""

from __future__ import annotations

import re
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from gegcore.rewards import TextReward

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "trl_geg.py"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a network connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_trl_trains_with_the_reward_of_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    example = runpy.run_path(str(EXAMPLE))
    named = dict(example["model"].named_parameters())
    weights: list[dict[str, torch.Tensor]] = []
    calls: list[tuple[list[Any], list[int], torch.Tensor]] = []
    score = TextReward.__call__

    def listen(self: TextReward, completions: Any, image_index: Any, **columns: Any) -> Any:
        weights.append({name: weight.detach().clone() for name, weight in named.items()})
        found = score(self, completions, image_index, **columns)
        calls.append((completions, list(image_index), found))
        return found

    monkeypatch.setattr(TextReward, "__call__", listen)
    weights.append({name: weight.detach().clone() for name, weight in named.items()})
    logs = example["train"](mle_steps=2, geg_steps=6).state.log_history

    for before, after in ((0, 1), (1, -1)):  # each of the two stages moves the weights
        still = [n for n in named if torch.equal(weights[before][n], weights[after][n])]
        assert len(still) < 0.2 * len(named), still
    assert len(calls) == 6  # once a step, whatever is said
    for completions, pictures, _ in calls:
        assert len(completions) == 128
        for (message,) in completions:
            assert message["role"] == "assistant" and "<" not in message["content"]
        assert pictures == [picture for picture in pictures[::8] for _ in range(8)]
    seen = [picture for _, pictures, _ in calls[:3] for picture in pictures[::8]]
    assert sorted(seen) == list(range(48))
    scores = torch.stack([found for _, _, found in calls])
    (logged,) = [log["rewards/text_reward/mean"] for log in logs if "reward" in log]
    assert logged == pytest.approx(float(scores.mean()), abs=1e-6)
    said = [one["content"] for completions, _, _ in calls for (one,) in completions]
    places = torch.tensor([picture for _, pictures, _ in calls for picture in pictures])
    again = score(TextReward(example["gap"]), said, places)
    torch.testing.assert_close(again, scores.flatten(), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_mean_reward_rises(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = re.findall(r"^ *(\d+)  GEG-Avg ([+-]\d\.\d{3})$", capsys.readouterr().out, re.M)
    assert [int(step) for step, _ in lines] == list(range(6, 61, 6))
    rewards = [float(reward) for _, reward in lines]
    # Seeds 0, 1 and 2 rise by 0.036 or more.
    assert sum(rewards[-2:]) / 2 > sum(rewards[:2]) / 2 + 0.015
