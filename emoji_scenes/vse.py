"""VSE++: a picture's frozen features and a caption's GRU state in one space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_scenes.clip.model import to_square
from emoji_scenes.vision.trunk import STRIDE8, STRIDE16, Trunk
from emoji_scenes.vision.weights import FOLDER, load_shipped
from gegcore.data.vocabulary import Vocabulary
from gegcore.embeddings import weights_digest
from gegcore.errors import DataError

NAME, STEM = "scenes-vse", "scenes_vse"
"""For `load_judge`, and of the shipped weights."""

IMAGE_SIZE = 128
IMAGE_WIDTH = 2 * (STRIDE8 + STRIDE16)
"""Mean and maximum over the picture of two of the frozen trunk's maps."""

WORD_WIDTH, EMBED_WIDTH = 128, 256

_TEXTS_PER_BATCH = 512
_IMAGES_PER_BATCH = 64


class VsePlusPlus(nn.Module):
    """Two towers: a linear map of fixed picture features, and a GRU over words.

    The trunk is not a part of the state dict: its weights come from a package and never change.

    Args:
        words: of the captions it is trained on; others are read as UNK.

    Source: faghri2017vsepp, Sec. 3.1.
    """

    name = NAME

    def __init__(self, words: Vocabulary) -> None:
        super().__init__()
        self.words = words
        # Running statistics only: every feature enters with mean 0 and variance 1.
        self.standardise = nn.BatchNorm1d(IMAGE_WIDTH, affine=False)
        self.project = nn.Linear(IMAGE_WIDTH, EMBED_WIDTH)
        self.embed = nn.Embedding(len(words), WORD_WIDTH)
        self.gru = nn.GRU(WORD_WIDTH, EMBED_WIDTH, batch_first=True)
        self._trunk: list[Trunk] = []  # in a list, so that it is no submodule

    @property
    def device(self) -> torch.device:
        return self.project.weight.device

    @cached_property
    def digest(self) -> str:
        """Of the weights and words."""
        return weights_digest(self, " ".join(self.words.words))

    @torch.no_grad()
    def picture_features(self, images: Tensor) -> Tensor:
        """What the picture tower reads of uint8 `(B, 128, 128, 3)`: `(B, IMAGE_WIDTH)`."""
        if not self._trunk:
            self._trunk.append(Trunk())
        both = [x.float() for x in self._trunk[0].to(images.device).maps(images)]
        return torch.cat([x.mean((2, 3)) for x in both] + [x.amax((2, 3)) for x in both], dim=1)

    def pictures(self, features: Tensor) -> Tensor:
        """Embeddings `(B, E)` of picture features, L2-normalised."""
        return F.normalize(self.project(self.standardise(features)), dim=-1)

    def captions(self, ids: Tensor) -> Tensor:
        """Embeddings `(M, E)` of word ids `(M, L)`, 0-padded, L2-normalised.

        The GRU's state after the last word; of a caption without words, after the padding.
        """
        states, _ = self.gru(self.embed(ids))
        last = (ids != 0).sum(dim=1).clamp(min=1) - 1
        return F.normalize(states[torch.arange(len(ids), device=ids.device), last], dim=-1)

    @torch.no_grad()
    def encode_images(self, images: np.ndarray | Sequence[Image.Image]) -> Tensor:
        """Embed pictures: uint8 RGB `(B, H, W, 3)` or PIL images -> `(B, E)`.

        Raises:
            DataError: no pictures.
        """
        if len(images) == 0:
            raise DataError("no images to embed", "pass at least one image")
        parts = []
        for start in range(0, len(images), _IMAGES_PER_BATCH):
            pixels = to_square(images[start : start + _IMAGES_PER_BATCH], IMAGE_SIZE)
            parts.append(self.pictures(self.picture_features(pixels.to(self.device))))
        return torch.cat(parts)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed captions `(M,)` -> `(M, E)`.

        Raises:
            DataError: the list is empty.
        """
        if len(texts) == 0:
            raise DataError("no captions to embed", "pass at least one caption")
        parts = [
            self.captions(word_ids(self.words, texts[i : i + _TEXTS_PER_BATCH]).to(self.device))
            for i in range(0, len(texts), _TEXTS_PER_BATCH)
        ]
        return torch.cat(parts)


def word_ids(words: Vocabulary, texts: Sequence[str]) -> Tensor:
    """Ids `(M, L)` of captions, 0-padded to the longest, L at least 1."""
    rows = [torch.tensor([0] if not (ids := words.encode(text)) else ids) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def vse_judge(device: torch.device | str = "cpu") -> VsePlusPlus:
    """The judge "scenes-vse" of `gegcore.metrics.judged.load_judge`."""
    return load_vse(device=device)


def load_vse(folder: Path = FOLDER, device: torch.device | str = "cpu") -> VsePlusPlus:
    """The shipped VSE++, or one that the script `train_vse` wrote elsewhere; no gradients.

    Raises:
        DataError: the weights do not fit this architecture.
        MissingDependencyError: a file is missing.
        ChecksumError: the weights are not those that their provenance describes.
    """
    shipped = load_shipped(STEM, folder)
    model = VsePlusPlus(Vocabulary(shipped.metadata["words"]))
    try:
        model.load_state_dict({key: value.float() for key, value in shipped.tensors.items()})
    except RuntimeError as error:
        raise DataError(
            f"{folder / STEM}.safetensors does not fit VSE++ of this version",
            "train it again with python -m emoji_scenes.training_scripts.train_vse",
        ) from error
    return model.requires_grad_(False).eval().to(device)
