"""Holds captioners against reference vectors that were made by running X-modaler.

A ``Vectors`` has the tiny model of one fixture, loaded by its key map, and asks of it what every
model must satisfy: logits, greedy captions and whole beams. In float64 the reference is exact to
1e-14; in float32 its own noise is the yardstick.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gegcore.data.features import FeatureBatch
from gegcore.decoding import beam_search, decode
from gegcore.interop.layouts import layout_of, layouts
from gegcore.interop.xmodaler import read_xmodaler

FIXTURES = Path(__file__).parent / "fixtures" / "parity"
FILES = {name: name for name in layouts()} | {"meshed_memory": "m2"}
"""Name of each model's fixture, without `.pt`."""
SETTINGS: dict[str, dict[str, Any]] = {"transformer": {"heads": 4}, "meshed_memory": {"heads": 4}}
"""What shapes do not tell: X-LAN's fixture has the published number."""
STEPS = 20


@cache
def read(name: str) -> dict[str, Any]:
    """The fixture of a model."""
    stored: dict[str, Any] = torch.load(FIXTURES / f"{FILES[name]}.pt", weights_only=True)
    return stored


class Vectors:
    """The fixture of one model, and the model itself with the fixture's weights.

    Attributes:
        stored: the fixture.
        inputs, config: read from the shapes.
        keys: our key -> X-modaler's keys.
        model: in evaluation mode.
    """

    def __init__(self, name: str) -> None:
        self.stored = read(name)
        path = FIXTURES / f"{FILES[name]}.pt"
        checkpoint = read_xmodaler(path, name, **SETTINGS.get(name, {}))
        self.model, self.inputs = checkpoint.captioner, checkpoint.inputs
        self.config: Any = checkpoint.config
        self.keys = {key: layout_of(name).theirs(key) for key in self.model.state_dict()}

    def batch(self, dtype: torch.dtype) -> FeatureBatch:
        return features(self.stored["inputs"], dtype)

    def unused_keys(self) -> set[str]:
        """X-modaler's keys that no tensor of ours is made from; fails if one is used twice."""
        used = [key for group in self.keys.values() for key in group]
        assert len(used) == len(set(used))
        return set(self.stored["state_dict"]) - set(used)

    @property
    def float32_tolerance(self) -> float:
        """The log-probabilities of captions are stored as float32 only."""
        return 20 * float(self.stored["meta"]["float32_noise"])

    @torch.no_grad()
    def check_logits(self, dtype: torch.dtype) -> None:
        logits = self.model.to(dtype)(self.batch(dtype), self.stored["inputs"]["tokens"])
        tolerance = 1e-9 if dtype == torch.float64 else self.float32_tolerance
        difference = (logits.double() - self.stored["logits64"])[self.stored["logits_valid"]]
        assert difference.abs().max() < tolerance

    def check_greedy(self, dtype: torch.dtype) -> None:
        decoded = decode(self.model.to(dtype), self.batch(dtype))
        expected = self.stored["greedy"]
        assert torch.equal(padded(decoded.tokens)[:, 0], expected["tokens"])
        log_probs = padded(decoded.log_probs)[:, 0]
        said = log_probs != 0  # the reference's are meaningless after the end token
        self._check_log_probs(log_probs[said], expected["logp"][said])

    def check_beam(self, size: int, dtype: torch.dtype) -> None:
        beams = beam_search(self.model.to(dtype), self.batch(dtype), size)
        expected = self.stored["beam"][size]
        assert torch.equal(padded(beams.tokens), expected["all_tokens"])
        assert torch.equal(padded(beams.tokens)[:, 0], expected["tokens"])
        log_probs = padded(beams.log_probs)
        self._check_log_probs(log_probs, expected["all_logp"])
        self._check_log_probs(log_probs[:, 0], expected["logp"])

    def _check_log_probs(self, ours: Tensor, theirs: Tensor) -> None:
        tolerance = self.float32_tolerance
        torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=tolerance)


def padded(words: Tensor) -> Tensor:
    """To X-modaler's 20 columns; ours stop where no caption goes on."""
    return pad(words, (0, STEPS - words.shape[-1]))


def features(inputs: dict[str, Tensor], dtype: torch.dtype) -> FeatureBatch:
    """The images of a fixture; models that look at no regions get one of zeros."""
    images = len(inputs["tokens"])
    regions = inputs.get("att_feats", torch.zeros(images, 1, 1)).to(dtype)
    mask = inputs.get("att_mask", torch.ones(images, 1)).bool()
    boxes = torch.zeros(*mask.shape, 4, dtype=dtype)
    pooled = inputs.get("global_feat", torch.zeros(images, 1)).to(dtype)
    attributes = inputs["attributes"].to(dtype) if "attributes" in inputs else None
    return FeatureBatch(pooled, attributes, regions, boxes, inputs.get("relations"), mask)
