"""The example runs as its readers run it, only shorter, and without a network."""

from __future__ import annotations

import re
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "huggingface_geg.py"


def test_it_trains_a_hugging_face_captioner_offline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a network connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    example = runpy.run_path(str(EXAMPLE))
    captioner = example["captioner"]
    for stage in ((2, 0), (0, 2)):  # each of the two stages moves every weight that matters
        before = {name: weight.clone() for name, weight in captioner.named_parameters()}
        example["train"](*stage)
        after = dict(captioner.named_parameters())
        assert all(bool(torch.isfinite(weight).all()) for weight in after.values())
        still = [name for name in before if torch.equal(before[name], after[name])]
        assert len(still) < 0.2 * len(before), still
    lines = re.findall(r"^ *(-?\d+)  GEG-Avg ([+-]\d\.\d{3})  .+$", capsys.readouterr().out, re.M)
    assert [int(step) for step, _ in lines] == [-2, -1, 0, 1]
    said_by_people = [float(reward) for step, reward in lines if int(step) < 0]
    assert min(said_by_people) > 0.05 > abs(float(lines[2][1]))  # untrained: no better than chance
