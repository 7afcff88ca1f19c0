"""A judge of one's own: one file, and one line of a profile that names it.

    judges: {colours: "examples.judge:ColourJudge"}

A judge embeds pictures and captions in one space and is never rewarded. This one is a toy, and an
honest one: it sees nothing but colours. A picture is the share of its pixels that are closest to
each named colour, a caption is the colours that it names.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from gegcore.data.vocabulary import tokenize
from gegcore.storage import digest

COLOURS = {
    **{"red": (200, 40, 40), "orange": (230, 130, 40), "yellow": (240, 210, 60)},
    **{"green": (90, 160, 60), "blue": (70, 130, 200), "purple": (140, 80, 170)},
    **{"pink": (240, 160, 190), "brown": (130, 85, 55), "white": (245, 245, 245)},
    **{"grey": (150, 150, 150), "black": (25, 25, 25)},
}


class ColourJudge:
    name, digest = "colours", digest(COLOURS)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.table = torch.tensor(list(COLOURS.values()), dtype=torch.float32)

    def encode_images(self, images: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.stack(images)[:, ::4, ::4]).flatten(1, 2).float()
        nearest = torch.cdist(pixels, self.table.expand(len(pixels), -1, -1)).argmin(-1)
        return normalize(one_hot(nearest, len(COLOURS)).float().mean(1), dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        words = [tokenize(text) for text in texts]
        named = torch.tensor([[float(said.count(c)) for c in COLOURS] for said in words])
        return normalize(named + 0.01, dim=-1)  # who names no colour means every picture
