"""Test pictures for a browser: sheets of thumbnails, similar pictures, and what is true of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.facts import Atom, atoms_of
from emoji_scenes.scenes.painter import paint
from gegcore.data.dataset import pictures_key
from gegcore.materials import Materials
from gegcore.profiles import Profile
from gegcore.progress import track
from gegcore.storage import atomic_write, digest

COLUMNS, PER_SHEET = 10, 100
"""Pictures in a row of a sheet, and in all of one."""

_SIDES = {160: 3_400, 96: 1_700, 48: 900}
"""Pixels of a thumbnail's side -> bytes that one takes, from above."""

_COLOURS, _REFERENCES = 128, 2


@dataclass(frozen=True)
class Pictures:
    """The test pictures of a profile; of photographs nothing but their ids: pages are published.

    Attributes:
        ids: image ids, in order.
        data: of the embedded world, else None.
        neighbours: positions of each picture's group, nearest first; empty where none is known.
    """

    ids: list[int]
    data: ScenesDataset | None = None
    neighbours: list[list[int]] = field(default_factory=list)

    @classmethod
    def of_scenes(cls, profile: Profile) -> Pictures | None:
        """Those of a prepared profile of the embedded world; None of any other."""
        materials = Materials.of(profile)
        if profile.data.kind != "scenes" or not (materials.folder / "groups").is_dir():
            return None
        data = materials.data["test"]
        assert isinstance(data, ScenesDataset)
        ids = [record.image_id for record in data.records]
        return cls(ids, data, materials.groups["test"].index.tolist())

    @cached_property
    def holds(self) -> list[frozenset[Atom]]:
        """Everything that is true of each picture; empty where nobody knows."""
        return [atoms_of(self.data.scene(i)) for i in range(len(self.ids))] if self.data else []

    @cached_property
    def atoms(self) -> dict[Atom, int]:
        """Atoms that are true of any picture, numbered."""
        every = frozenset[Atom]().union(*self.holds)
        return {atom: number for number, atom in enumerate(sorted(every))}

    def content(self, sheets: Sequence[str], side: int) -> dict[str, Any]:
        """What the page reads of them, as JSON; `holds`: numbers of atoms, a list a picture."""
        records = self.data.records if self.data else ()
        return {
            "ids": self.ids,
            "neighbours": self.neighbours,
            "holds": [sorted(self.atoms[atom] for atom in each) for each in self.holds],
            "references": [record.captions[:_REFERENCES] for record in records],
            "sheets": list(sheets),
            "side": side,
            "columns": COLUMNS,
            "perSheet": PER_SHEET,
        }


def side_within(count: int, size: int) -> int:
    """The largest side of which so many thumbnails fit into so many bytes; else the smallest."""
    return next((side for side, each in _SIDES.items() if count * each <= size), min(_SIDES))


def write_sheets(data: ScenesDataset, folder: Path, side: int) -> list[str]:
    """Paint all pictures, `PER_SHEET` to a PNG; returns the files' names.

    The names hold a digest of what is painted, by what: sheets that are there are not painted anew.
    """
    key = digest([pictures_key(data), data.key, side])[:8]
    count = len(data.records)
    starts = range(0, count, PER_SHEET)
    names = [f"sheet-{key}-{number:02}.png" for number in range(len(starts))]
    missing = [s for s, name in zip(starts, names, strict=True) if not (folder / name).is_file()]
    for start in track(missing, "pictures of the explorer", delay=2):
        rows = range(start, min(start + PER_SHEET, count))
        picture = _sheet([paint(data.scene(row), side) for row in rows])
        with atomic_write(folder / names[start // PER_SHEET], "wb") as stream:
            stream.write(picture)
    return names


def _sheet(pictures: list[np.ndarray]) -> bytes:
    """Uint8 RGB `(side, side, 3)` each, in rows of `COLUMNS`, as a PNG with a palette."""
    side = pictures[0].shape[0]
    rows = -(-len(pictures) // COLUMNS)
    sheet = np.zeros((rows * side, COLUMNS * side, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = side * (number // COLUMNS), side * (number % COLUMNS)
        sheet[top : top + side, left : left + side] = picture
    buffer = io.BytesIO()
    Image.fromarray(sheet).quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
