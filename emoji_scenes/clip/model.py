"""The two CLIPs of the embedded world: one reads a frozen trunk's features, the other pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.model import CLIP
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_scenes.clip.bpe import load_tokenizer
from emoji_scenes.vision.trunk import STRIDE8, STRIDE16, Trunk
from emoji_scenes.vision.weights import FOLDER, load_shipped
from gegcore.clip import ClipModel
from gegcore.errors import DataError

MODELS = {"scenes-clip": "scenes_clip", "scenes-siglip": "scenes_siglip"}
"""Names for `load_clip` -> names of the shipped weights: the CLIP that rewards, and a judge."""

IMAGE_SIZE = 128
"""Side of the pictures that both see."""

GRID_CHANNELS = STRIDE16 + 4 * STRIDE8 + 3 * 4 * 4
"""Stride-16 map, stride-8 map folded 2x2, and the picture's colours at stride 4 folded 4x4."""

for _name in MODELS:
    open_clip.add_model_config(Path(__file__).with_name(f"{_name}.json"))


class ScenesClip(CLIP):
    """open_clip's CLIP whose vision transformer reads the frozen trunk instead of raw patches.

    The 8x8 grid of a 128-pixel picture takes the place of ViT's 16-pixel patches. The trunk is
    not a part of the state dict: its weights come from a package and never change.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        width = self.visual.conv1.out_channels
        self.visual.conv1 = nn.Sequential(
            # Running statistics only: every channel enters with mean 0 and variance 1.
            nn.BatchNorm2d(GRID_CHANNELS, affine=False),
            nn.Conv2d(GRID_CHANNELS, width, kernel_size=1),
        )
        # In a list, so that it is no submodule: it is neither saved nor trained.
        self._trunk: list[Trunk] = []

    def train(self, mode: bool = True) -> ScenesClip:
        """Stay in evaluation mode: BatchNorm's statistics are set from the data before training."""
        return super().train(False)

    @torch.no_grad()
    def grid(self, images: Tensor) -> Tensor:
        """What the image tower sees of pictures uint8 `(B, 128, 128, 3)`: `(B, C, 8, 8)`."""
        if not self._trunk:
            self._trunk.append(Trunk())
        stride8, stride16 = self._trunk[0].to(images.device).maps(images)
        colours = images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        return torch.cat(
            [
                stride16.float(),
                F.pixel_unshuffle(stride8.float(), 2),
                F.pixel_unshuffle(F.avg_pool2d(colours, 4), 4),
            ],
            dim=1,
        )

    def encode_grid(self, grid: Tensor, normalize: bool = False) -> Tensor:
        """Image features `(B, E)` of what `grid` returned: training computes grids only once."""
        return super().encode_image(grid.float(), normalize)

    def encode_image(self, image: Tensor, normalize: bool = False) -> Tensor:
        """Image features `(B, E)` of pictures uint8 `(B, 128, 128, 3)`."""
        return self.encode_grid(self.grid(image), normalize)


class ScenesSigLip(CLIP):
    """open_clip's CLIP with its ResNet on the pixels themselves: it shares no feature with others.

    The judge. Its loss (`logit_bias` belongs to it), its text tower, its BPE, the scenes it learns
    from and the texts it learns most from are others than those of the CLIP that rewards, and it
    is never rewarded: it tells whether captions became more distinctive, or only more to the taste
    of one CLIP.

    Source: zhai2023siglip (loss); Radford et al. (2021), CLIP, Sec. 2.4 (ResNet).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.visual.to(memory_format=torch.channels_last)

    def grid(self, images: Tensor) -> Tensor:
        """What the image tower sees of pictures uint8 `(B, 128, 128, 3)`: `(B, 3, 128, 128)`."""
        return images.permute(0, 3, 1, 2)

    def encode_grid(self, grid: Tensor, normalize: bool = False) -> Tensor:
        """Image features `(B, E)` of what `grid` returned."""
        pixels = grid.float().contiguous(memory_format=torch.channels_last)
        return super().encode_image(pixels / 127.5 - 1.0, normalize)

    def encode_image(self, image: Tensor, normalize: bool = False) -> Tensor:
        """Image features `(B, E)` of pictures uint8 `(B, 128, 128, 3)`."""
        return self.encode_grid(self.grid(image), normalize)


WorldClip = ScenesClip | ScenesSigLip


def build_scenes_clip(name: str = "scenes-clip") -> WorldClip:
    """The model of a registered config with random weights."""
    config = open_clip.get_model_config(name)
    assert config is not None, name  # registered above
    return ScenesClip(**config) if name == "scenes-clip" else ScenesSigLip(**config)


def scenes_clip(pretrained: str | Path | None = None) -> ClipModel:
    """The CLIP that rewards: "scenes-clip" for `gegcore.clip.load_clip`."""
    return load_scenes_clip("scenes-clip", Path(pretrained) if pretrained else None)


def scenes_siglip(pretrained: str | Path | None = None) -> ClipModel:
    """The CLIP that judges: "scenes-siglip" for `gegcore.clip.load_clip`."""
    return load_scenes_clip("scenes-siglip", Path(pretrained) if pretrained else None)


def load_scenes_clip(name: str = "scenes-clip", weights: Path | None = None) -> ClipModel:
    """Load the shipped CLIP of the embedded world, or one that `train` wrote elsewhere.

    Args:
        name: one of `MODELS`.
        weights: a `.safetensors` file with its `.json` and `_bpe.txt.gz` beside it.

    Raises:
        DataError: the weights do not fit this architecture, or the BPE file is damaged.
        MissingDependencyError: a file is missing.
        ChecksumError: the weights are not those that their provenance describes.
    """
    folder, stem = (weights.parent, weights.stem) if weights else (FOLDER, MODELS[name])
    shipped = load_shipped(stem, folder)
    model = build_scenes_clip(name)
    try:
        model.load_state_dict({key: value.float() for key, value in shipped.tensors.items()})
    except RuntimeError as error:
        raise DataError(
            f"{folder / stem}.safetensors does not fit the architecture {name}",
            f"train it again with python -m emoji_scenes.training_scripts.train_clip --name {name}",
        ) from error
    tokenizer = load_tokenizer(folder / f"{stem}_bpe.txt.gz", model.context_length)
    return ClipModel(name, model.eval(), tokenizer, to_square)


def to_square(images: np.ndarray | Sequence[Image.Image], size: int = IMAGE_SIZE) -> Tensor:
    """Pictures as uint8 `(B, size, size, 3)`, resized (bicubic) where they differ."""
    pictures = [x if isinstance(x, np.ndarray) else np.asarray(x.convert("RGB")) for x in images]
    ready = [
        x if x.shape[:2] == (size, size) else np.asarray(Image.fromarray(x).resize((size, size)))
        for x in pictures
    ]
    return torch.from_numpy(np.stack(ready))
