"""A data set of one's own: a folder of pictures with a `captions.jsonl`, a line an image such as

    {"file": "beach.jpg", "split": "train", "captions": ["a man with a red surfboard", "..."]}

One file, and one line of a profile that names it (no scene graphs: no metrics of the world):

    extends: quick
    data: {kind: "examples.dataset:PictureFolder", path: my_pictures}
    metrics: []
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gegcore.data.dataset import DataSettings, ImageRecord
from gegcore.errors import DataError


@dataclass(frozen=True)
class Pictures:
    """One split; every picture is scaled to a square."""

    name: str
    split: str
    records: Sequence[ImageRecord]
    side: int

    def images(self, indices: Sequence[int]) -> np.ndarray:
        files = [str(self.records[i].file) for i in indices]
        size = (self.side, self.side)
        return np.stack([np.asarray(Image.open(f).convert("RGB").resize(size)) for f in files])


class PictureFolder(DataSettings):
    """What a profile can set about it."""

    kind: str = "examples.dataset:PictureFolder"
    extractor: str = "scenes"  # whose detector knows drawings: name one for your pictures
    path: Path
    side: int = 128

    def size(self, split: str) -> int:
        return len(self._records(split))

    def open(self, split: str, folder: Path) -> Pictures:
        records = self._records(split)
        if absent := [r.file for r in records if not Path(str(r.file)).is_file()]:
            raise DataError(f"{absent[0]} does not exist", f"mend {self.path / 'captions.jsonl'}")
        return Pictures(self.path.name, split, records, self.side)

    def _records(self, split: str) -> list[ImageRecord]:
        listed = self.path / "captions.jsonl"
        if not listed.is_file():
            raise DataError(f"{listed} does not exist", "set data.path to the folder that has it")
        rows = map(json.loads, listed.read_text(encoding="utf-8").splitlines())
        return [
            ImageRecord(image_id, tuple(row["captions"]), file=str(self.path / row["file"]))
            for image_id, row in enumerate(rows)
            if row["split"] == split
        ]
