"""MSCOCO's size out of random numbers: all that training reads, in the format that it reads.

Features are written by the very code that writes real ones, part by part, to the disk; what is in
them does not matter for speed. Embeddings and groups are random too: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.gpu import vocabulary
from benchmarks.paper_size import VOCABULARY, references
from gegcore.clip import ClipModel
from gegcore.data.dataset import ImageRecord
from gegcore.data.features import FeatureBatch, FeatureStore, write_features
from gegcore.data.relations import RELATIONS
from gegcore.data.vocabulary import Vocabulary
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile

REGION_WIDTH, POOLED, ATTRIBUTES = 1024, 2048, 300
_BLOCK = 64


class GeneratedImages:
    """A split of so many images (a `CaptionDataset`); its pictures are one grey pixel."""

    name, split = "generated", "train"

    def __init__(self, count: int) -> None:
        self.records = [ImageRecord(number, ()) for number in range(count)]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        return np.full((len(indices), 1, 1, 3), 128, np.uint8)


class GeneratedFeatures:
    """The same random block of features again and again."""

    name, digest, relation_labels = "generated", "1", len(RELATIONS)

    def __init__(self, regions: int) -> None:
        g = torch.Generator().manual_seed(0)
        corners = torch.rand(_BLOCK, regions, 4, generator=g)
        self.block = FeatureBatch(
            pooled=torch.rand(_BLOCK, POOLED, generator=g),
            attributes=torch.rand(_BLOCK, ATTRIBUTES, generator=g),
            regions=torch.randn(_BLOCK, regions, REGION_WIDTH, generator=g).relu(),
            boxes=torch.cat([corners[..., :2] / 2, 0.5 + corners[..., 2:] / 2], dim=-1),
            relations=torch.randint(len(RELATIONS), (_BLOCK, regions, regions), generator=g),
            mask=torch.ones(_BLOCK, regions, dtype=torch.bool),
        )

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        return self.block.select(torch.arange(len(images)) % _BLOCK)


class GeneratedMaterials:
    """What an objective asks of `Materials`, of the training split of a profile.

    Args:
        images: N.
        folder: of the features, which are kept there.
    """

    def __init__(
        self, profile: Profile, images: int, regions: int, folder: Path, device: torch.device
    ) -> None:
        self.profile, self.count, self.device = profile, images, device
        extractor, split = GeneratedFeatures(regions), GeneratedImages(images)
        store = write_features(split, extractor, folder / "features")
        self.features: dict[str, FeatureStore] = {"train": store}

    @cached_property
    def clip(self) -> ClipModel:
        """The profile's architecture with random weights."""
        tower = open_clip.create_model(self.profile.clip, pretrained=None)
        tokenizer = open_clip.get_tokenizer(self.profile.clip)
        model = ClipModel(self.profile.clip, tower, tokenizer, lambda pictures: torch.empty(0))
        return model.to(self.device)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """10,000 ids, the end and UNK among them."""
        words = vocabulary(self.clip.tokenizer)
        more = (f"{first}{second}" for first in words for second in words[:100])
        every = dict.fromkeys([*words, *islice(more, VOCABULARY)])
        return Vocabulary([*every][: VOCABULARY - 2])

    @cached_property
    def _references(self) -> list[list[list[int]]]:
        return references(self.count, seed=0)

    def references(self, split: str) -> list[list[list[int]]]:
        """Five an image, of 8 to 14 words."""
        return self._references

    @cached_property
    def tables(self) -> dict[str, Any]:
        width = self.clip.encode_texts(["a dog"]).shape[-1]
        return {"train": SimpleNamespace(images=self._unit(self.count, width), captions=None)}

    @cached_property
    def groups(self) -> dict[str, SimilarGroups]:
        g, k = torch.Generator().manual_seed(0), self.profile.group_size
        index = torch.randint(self.count, (self.count, k), generator=g)
        return {"train": SimilarGroups(index, torch.ones(self.count, k))}

    def _unit(self, rows: int, width: int) -> Tensor:
        g = torch.Generator().manual_seed(0)
        return normalize(torch.randn(rows, width, generator=g), dim=-1)
