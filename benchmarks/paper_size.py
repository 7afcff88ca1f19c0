"""Captioners, pictures and references of the sizes that the paper trains with, at random.

Shared by the benchmarks. Nothing is downloaded: speed does not depend on what weights have learned,
only on sizes and on how long captions are. Here all of them take the full 20 steps, the most work
there can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import Captioner, build_captioner
from gegcore.models.captioner import END

SAMPLES, REGIONS, REGION_WIDTH, VOCABULARY, REFERENCES = 5, 36, 2048, 10_000, 5
ATTRIBUTES, RELATIONS = 1000, 21
INPUTS = InputSizes(REGION_WIDTH, REGION_WIDTH, ATTRIBUTES, RELATIONS)

Clock = Callable[[], float]


class Phases:
    """Seconds by phase of a step."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = self.clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.clock() - start


def captioner(name: str, seed: int) -> Captioner:
    """A captioner at paper size with random weights; see :func:`make_talk`."""
    torch.manual_seed(seed)
    return make_talk(build_captioner(name, VOCABULARY, INPUTS))


def make_talk(model: Captioner) -> Captioner:
    """Never end a caption early, and say common words more often, so that rewards differ."""
    with torch.no_grad():
        bias = model.get_parameter("output.bias")
        bias.copy_(-torch.arange(1, len(bias) + 1).log())
        bias[END] = -1e4
    return model


def pictures(images: int, seed: int) -> FeatureBatch:
    """Bottom-up features of ``images`` pictures with 36 regions each."""
    g = torch.Generator().manual_seed(seed)
    regions = torch.randn(images, REGIONS, REGION_WIDTH, generator=g).relu()
    corners = torch.rand(images, REGIONS, 4, generator=g)
    attributes = torch.rand(images, ATTRIBUTES, generator=g)
    related = torch.rand(images, REGIONS, REGIONS, generator=g) < 0.2
    relations = related * torch.randint(1, RELATIONS, related.shape, generator=g)
    mask = torch.ones(images, REGIONS, dtype=torch.bool)
    return FeatureBatch(regions.mean(1), attributes, regions, corners, relations, mask)


def references(images: int, seed: int) -> list[list[list[int]]]:
    """Five references of 8 to 14 words a picture, common words more often than rare (Zipf)."""
    g = torch.Generator().manual_seed(seed)
    frequency = 1 / torch.arange(1, VOCABULARY, dtype=torch.float64)
    lengths = torch.randint(8, 15, (images, REFERENCES), generator=g)
    words = 1 + torch.multinomial(frequency, int(lengths.sum()), True, generator=g)
    parts = iter(words.split(lengths.flatten().tolist()))
    return [[next(parts).tolist() for _ in range(REFERENCES)] for _ in range(images)]
