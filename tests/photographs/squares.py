"""A small corpus in Karpathy's form: coloured squares, and sentences of our own about them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from photographs.karpathy import KarpathyData

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}
SHAPES = {"plain": 1, "striped": 8, "chequered": 4}
FRAMES = (
    "a {c} {s} square",
    "the {s} square is {c}",
    "one {c} square that is {s}",
    "somebody painted a {s} {c} square",
    "it is {c} and {s}",
)


def paint(colour: str, shape: str, number: int) -> Image.Image:
    """Of a size of its own: pictures of photographers differ."""
    size = 80 + 8 * (number % 3), 64 + 4 * (number % 5)
    pixels = np.full((*size, 3), COLOURS[colour], np.uint8)
    if shape != "plain":
        step = SHAPES[shape]
        pixels[::step] = 255 - pixels[::step]
    if shape == "chequered":
        pixels[:, ::step] = number
    pixels[number % 40 : number % 40 + 9, 3:9] = 7 * number % 256
    return Image.fromarray(pixels)


@dataclass
class Corpus:
    folder: Path
    content: dict[str, Any]

    @property
    def json(self) -> Path:
        return self.folder / "dataset_squares.json"

    def write(self) -> Path:
        self.json.write_text(json.dumps(self.content))
        return self.json

    def data(self, **fields: Any) -> KarpathyData:
        given = {"json": self.json, "images": self.folder / "images", "image_px": 64}
        return KarpathyData.model_validate({**given, **fields})

    def zipped(self) -> Path:
        """Its pictures in a zip, under a folder, as they are downloaded; no folder is left."""
        place = self.folder / "images"
        with zipfile.ZipFile(self.folder / "images.zip", "w") as archive:
            for file in sorted(place.iterdir()):
                archive.write(file, f"Squares/{file.name}")
                file.unlink()
        place.rmdir()
        return self.folder / "images.zip"


def make_corpus(folder: Path, sizes: dict[str, int], ending: str = "png") -> Corpus:
    (folder / "images").mkdir()
    images, splits = [], [split for split, size in sizes.items() for _ in range(size)]
    for number, split in enumerate(splits):
        colour, shape = list(COLOURS)[number % 3], list(SHAPES)[number // 3 % 3]
        name = f"{number:04d}_square.{ending}"
        paint(colour, shape, number).save(folder / "images" / name)
        said = [frame.format(c=colour, s=shape) for frame in FRAMES]
        sentences = [{"raw": f"{text} .", "tokens": text.split()} for text in said]
        images.append({"filename": name, "imgid": number, "split": split, "sentences": sentences})
    corpus = Corpus(folder, {"dataset": "squares", "images": images})
    corpus.write()
    return corpus
