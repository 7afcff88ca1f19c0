"""A study of two invented captioners of forty scenes, and what a participant could answer."""

from __future__ import annotations

import numpy as np
import pytest
from two_captioners import PLAIN, RICH

from bookkit.study.answers import Answers
from bookkit.study.design import Study
from bookkit.study.draw import Pool, Size, draw_study
from bookkit.study.listener import simulated_answers
from emoji_scenes.dataset import ScenesDataset


@pytest.fixture(scope="session")
def world() -> ScenesDataset:
    return ScenesDataset("test", 40)


@pytest.fixture(scope="session")
def pool(world: ScenesDataset) -> Pool:
    """Every picture a family; CLIP is a table of random numbers."""

    def similarity(texts: list[str]) -> np.ndarray:
        seeds = [[*text.encode()] for text in texts]
        return np.stack([np.random.default_rng(seed).random(40) for seed in seeds])

    images = [record.image_id for record in world.records]
    said = [record.captions[0] for record in world.records]
    return Pool(images, np.arange(40), said, similarity)


@pytest.fixture(scope="session")
def systems(world: ScenesDataset) -> dict[str, dict[int | str, str]]:
    """One says what an annotator says, the other only its first words."""
    rich = {record.image_id: record.captions[0] for record in world.records}
    return {PLAIN: {image: said[:12] for image, said in rich.items()}, RICH: {**rich}}


@pytest.fixture(scope="session")
def study(systems: dict[str, dict[int | str, str]], pool: Pool) -> Study:
    return draw_study(systems, pool, Size(6, 4), 7, {"profile": "invented"})


@pytest.fixture(scope="session")
def listeners(study: Study, world: ScenesDataset) -> list[Answers]:
    scenes = {r.image_id: world.scene(i) for i, r in enumerate(world.records)}
    return list(simulated_answers(study, scenes, 12))
