"""Six scenes, three similar images of each, and captions said of some: for tests of rewards."""

from __future__ import annotations

import torch
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import embed_dataset, load_clip
from gegcore.data.vocabulary import Vocabulary

IMAGES = 6
WORLD = ScenesDataset("train", IMAGES)
CLIP = load_clip("scenes-clip")
TABLE = embed_dataset(CLIP, WORLD)
WORDS = Vocabulary.build((c for r in WORLD.records for c in r.captions), min_count=1)
REFERENCES = [[WORDS.encode(c) for c in record.captions] for record in WORLD.records]
MEMBERS = [[(i + 1) % IMAGES, (i + 2) % IMAGES, (i + 4) % IMAGES] for i in range(IMAGES)]
INDEX = torch.tensor([4, 1, 1, 0])
SAID = [[0, 1], [1, 2], [2, 0], [3, 4]]
"""Whose captions are said of the images of `INDEX`, two of each: rarely their own."""


def tokens(max_len: int = 24) -> Tensor:
    """What `SAID` names, cut before `max_len`: `(4, 2, max_len)`."""
    said = torch.zeros(len(SAID), 2, max_len, dtype=torch.long)
    for row, images in enumerate(SAID):
        for column, image in enumerate(images):
            ids = REFERENCES[image][column][: max_len - 1]
            said[row, column, : len(ids)] = torch.tensor(ids)
    return said
