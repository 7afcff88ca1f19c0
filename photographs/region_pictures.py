"""Pictures with the regions that captioners see drawn on them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from gegcore.data.dataset import CaptionDataset
from gegcore.errors import StorageError
from gegcore.materials import Materials
from gegcore.storage import atomic_write

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_LEAST_SIDE = 480


def region_files(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """A file of each image's own, `<name>-regions.png`, in folders within this one as in its name.

    Raises:
        StorageError: one is there already.
    """
    files: dict[Path, str] = {}
    for name in names:
        apart = Path(name).anchor, ".."
        parts = [part.replace(":", "-") for part in Path(name).parts if part not in apart]
        place, stem = folder.joinpath(*parts[:-1]), Path(parts[-1]).stem
        path, number = place / f"{stem}-regions.png", 2
        while path in files:  # a.jpg and a.png, x/a.jpg and ../x/a.jpg
            path, number = place / f"{stem}-regions-{number}.png", number + 1
        if path.exists():
            raise StorageError(f"{path} is there already", "give another folder, or move it away")
        files[path] = name
    return {name: path for path, name in files.items()}


def draw_regions(
    materials: Materials,
    dataset: CaptionDataset,
    rows: Sequence[int],
    paths: Sequence[Path],
) -> None:
    """Write and name a picture of each image; StorageError where that cannot be written."""
    for row, path in zip(rows, paths, strict=True):
        batch = materials.features_of(dataset, [row])
        drawn = _drawn(_picture(dataset, row), batch.boxes[0][batch.mask[0]].numpy())
        with atomic_write(path, "wb") as stream:
            drawn.save(stream, "png")
        tqdm.write(f"regions: {path}", file=sys.stderr)


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
