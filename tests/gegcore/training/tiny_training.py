"""Small captioners, random features and simple rewards, in float64, for the tests of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import Captioner, build_captioner
from gegcore.rewards import WeightedReward
from gegcore.training.config import ObjectiveConfig
from gegcore.training.objectives import Objective, SelfCriticalObjective

VOCAB, WIDTH, IMAGES, MAX_LEN = 12, 6, 8, 7
_RNN = {"word_width": 8, "region_width": 8, "hidden_width": 8, "attention_width": 8}
_SIZES: dict[str, dict[str, Any]] = {
    "transformer": {
        **{"width": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 2, "ffn_width": 32}
    },
    "attention": _RNN,
    "updown": _RNN,
    "xlan": {"width": 16, "word_width": 8, "heads": 2, "encoder_layers": 1, "attention_width": 4},
    "lstm_a3": {"hidden_width": 8},
}


class Features:
    """Random regions, drawn once."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.regions = torch.randn(IMAGES, 3, WIDTH, generator=generator, dtype=torch.float64)

    def batch(self, indices: Sequence[int]) -> FeatureBatch:
        regions = self.regions[list(indices)]
        boxes = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
        mask = torch.ones(len(regions), 3, dtype=torch.bool)
        attributes = regions.flatten(1)[:, :4].sigmoid()
        boxes = boxes.expand(len(regions), 3, 4)
        return FeatureBatch(regions.mean(1), attributes, regions, boxes, None, mask)


def small_model(name: str = "transformer", dropout: bool = True, seed: int = 0) -> Captioner:
    """Random weights, float64; the architecture's own dropouts, or none."""
    torch.manual_seed(seed)
    inputs = InputSizes(WIDTH, pooled=WIDTH, attributes=4)
    model = build_captioner(name, VOCAB, inputs, **_SIZES[name]).double()
    if not dropout:
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            elif isinstance(getattr(module, "dropout", None), float):  # of attention weights
                module.dropout = 0.0
    return model


def noise(objective: Objective, seed: int, images: int = IMAGES) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (images, *objective.noise_shape)
    return torch.rand(shape, dtype=torch.float64, generator=generator)


def wants(word: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Reward: how often a caption says one word."""

    def reward(tokens: Tensor, image_index: Tensor) -> Tensor:
        assert image_index.shape == tokens.shape[:1]
        return (tokens == word).sum(-1).double()

    return reward


def per_image(tokens: Tensor, image_index: Tensor) -> Tensor:
    """Reward that depends on the image, on the length and on every word."""
    weight = (image_index + 1.0).double()[:, None, None]
    place = torch.arange(1, tokens.shape[-1] + 1)
    return ((tokens * weight + 0.3 * place) * (tokens > 0)).sin().sum(-1)


def self_critical(config: ObjectiveConfig, **terms: tuple[float, Any]) -> SelfCriticalObjective:
    """Word 11 is never said, word 2 ends captions badly."""
    return SelfCriticalObjective(
        Features(),
        WeightedReward(terms),
        config,
        MAX_LEN,
        (VOCAB - 1,),
        torch.device("cpu"),
        bad_endings=torch.tensor([2]),
    )
