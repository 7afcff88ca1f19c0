"""Pictures with the regions that captioners see drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gegcore.data.dataset import CaptionDataset
from gegcore.errors import StorageError
from gegcore.materials import Materials
from gegcore.storage import atomic_write

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_LEAST_SIDE = 480


def draw_regions(
    materials: Materials,
    dataset: CaptionDataset,
    rows: Sequence[int],
    names: Sequence[str],
    folder: Path,
) -> list[Path]:
    """Write `<name>-regions.png` of each image; what is there stays.

    Raises:
        StorageError: a file of that name is there already, or the folder cannot be written.
    """
    paths = [folder / f"{Path(name).stem.replace(':', '-')}-regions.png" for name in names]
    for path in paths:
        if path.exists():
            raise StorageError(f"{path} is there already", "give another folder, or move it away")
    for row, path in zip(rows, paths, strict=True):
        batch = materials.features_of(dataset, [row])
        drawn = _drawn(_picture(dataset, row), batch.boxes[0][batch.mask[0]].numpy())
        with atomic_write(path, "wb") as stream:
            drawn.save(stream, "png")
    return paths


def _picture(dataset: CaptionDataset, row: int) -> Image.Image:
    originals = getattr(dataset, "originals", None)
    picture = originals([row])[0] if originals else Image.fromarray(dataset.images([row])[0])
    scale = max(1.0, _LEAST_SIDE / min(picture.size))
    size = [round(side * scale) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _drawn(picture: Image.Image, boxes: np.ndarray) -> Image.Image:
    """The last regions first: the most certain lie on top."""
    draw, (width, height) = ImageDraw.Draw(picture), picture.size
    for number in range(len(boxes) - 1, -1, -1):
        x0, y0, x1, y1 = boxes[number] * [width, height, width, height]
        colour = _COLOURS[number % len(_COLOURS)]
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=3)
        draw.rectangle((x0, y0, x0 + 22, y0 + 16), fill=colour)
        draw.text((x0 + 4, y0 + 2), str(number + 1), fill="white")
    return picture
