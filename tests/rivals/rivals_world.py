"""What rewards of the rivals are given in these tests: six scenes, three similar images of each."""

from __future__ import annotations

import torch
from six_scenes import CLIP, IMAGES, MEMBERS, REFERENCES, TABLE, WORDS

from gegcore.groups import SimilarGroups
from gegcore.rewards import RewardInputs

GIVEN = RewardInputs(
    WORDS,
    REFERENCES,
    CLIP,
    TABLE.images,
    SimilarGroups(torch.tensor(MEMBERS), torch.zeros(IMAGES, 3)),
    captions=TABLE.captions,
)
