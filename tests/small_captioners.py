"""Every captioner, small, and random features for it: what any of them must pass is tested on all.

A captioner joins the tests by its line in ARCHITECTURES.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.models import ARCHITECTURES, Captioner, build_captioner
from gegcore.models.registry import architecture

RIVALS = ["rivals.stack_cap:StackCap", "rivals.gdis_cap:GdisCap"]
NAMES = [*ARCHITECTURES, "captioner:MeanGru", *RIVALS]
"""Ours, the one of `examples/`, and other people's."""
OF_ITS_LOSS = {RIVALS[0]: {"output0", "output1"}, RIVALS[1]: {"memory_words"}}
"""Layers that only a captioner's own loss reads: see `tests/rivals/`."""
VOCAB = 23
INPUTS = InputSizes(regions=10, pooled=6, attributes=7, relations=5)


def sizes(name: str) -> dict[str, int]:
    """Two of what there are few of, such as layers; every width small and another one."""
    fields = architecture(name).Config.model_fields.items()
    defaults = [(field, value.default) for field, value in fields if type(value.default) is int]
    return {field: 2 if n < 16 else 16 + 2 * i for i, (field, n) in enumerate(defaults)}


def small(name: str, **overrides: Any) -> Captioner:
    """In float64 and evaluation mode."""
    torch.manual_seed(3)
    return build_captioner(name, VOCAB, INPUTS, **(sizes(name) | overrides)).double().eval()


def features(
    images: int, regions: int, real: list[int] | None = None, seed: int = 0
) -> FeatureBatch:
    """Random features in float64; image b has ``real[b]`` regions, the others are zero."""
    g = torch.Generator().manual_seed(seed)
    counts = torch.tensor(real if real is not None else [regions] * images)
    mask = torch.arange(regions) < counts[:, None]
    x = torch.randn(images, regions, INPUTS.regions, generator=g, dtype=torch.float64)
    boxes = torch.rand(images, regions, 4, generator=g, dtype=torch.float64)
    pooled = torch.randn(images, INPUTS.pooled, generator=g, dtype=torch.float64)
    attributes = torch.rand(images, INPUTS.attributes, generator=g, dtype=torch.float64)
    relations = torch.randint(0, INPUTS.relations, (images, regions, regions), generator=g)
    x, boxes = x * mask[..., None], boxes * mask[..., None]
    relations = relations * (mask[:, None] & mask[:, :, None])
    return FeatureBatch(pooled, attributes, x, boxes, relations, mask)


def captions(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(0, VOCAB, shape, generator=torch.Generator().manual_seed(seed))
