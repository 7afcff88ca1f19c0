"""Grid features of photographs, computed once for all who read them: captioners, CLIP, judges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from gegcore.data.dataset import CaptionDataset
from gegcore.embeddings import weights_digest
from gegcore.errors import DataError, writing
from gegcore.progress import track
from photographs.imagenet import load_network

STRIDE = 32
"""Pixels a cell is wide."""

_PER_CALL, _PICTURES = 32, 256
_SHA = 16  # bytes of the SHA-256 of a picture's pixels


class Grids:
    """The last feature map of a frozen network: pixels -> `(B, D, H/32, W/32)`.

    With a `folder`, maps are kept there by the digest of the pixels, one record after another, and
    computed only once, whoever asks and whatever ends a process. Several may write.

    Args:
        network: as `load_network` has it.
        folder: of maps, one file a network and size of pictures; None: nothing is kept.
    """

    def __init__(
        self, network: str, folder: Path | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.network, self.folder, self.device = network, folder, torch.device(device)
        self._path: Path | None = None  # of the maps that are open: those of one size
        self._kept: dict[bytes, int] = {}
        self._records = np.zeros(0)

    @cached_property
    def net(self) -> nn.Module:
        return load_network(self.network).to(self.device)

    @property
    def width(self) -> int:
        """D, channels of the map."""
        return int(self.net.num_features)  # type: ignore[arg-type]

    @cached_property
    def digest(self) -> str:
        """Of the network's weights."""
        return weights_digest(self.net)

    def __call__(self, images: np.ndarray) -> Tensor:
        """Maps float16 `(B, D, h, w)` of uint8 RGB pictures `(B, H, W, 3)`.

        Raises:
            DataError: not uint8, or sides that are no multiples of 32.
            StorageError: what is new cannot be kept.
        """
        _check(images)
        shas = [pixels_digest(picture) for picture in images]
        if not self._kept.keys() >= {*shas}:
            self._add(images, shas)
        if self.folder is None:
            return self._compute(images)
        rows = [self._kept[sha] for sha in shas]
        return torch.from_numpy(np.stack([self._records[row]["map"] for row in rows]))

    def _add(self, images: np.ndarray, shas: list[bytes]) -> None:
        if self.folder is None:
            return
        side = "x".join(map(str, images.shape[1:3]))
        path = self.folder / f"{self.network}-{self.digest}-{side}.records"
        shape = (self.width, images.shape[1] // STRIDE, images.shape[2] // STRIDE)
        record = np.dtype([("sha", f"V{_SHA}"), ("map", "<f2", shape)])
        self._open(path, record)  # another process may have been there
        new = {sha: i for i, sha in enumerate(shas) if sha not in self._kept}
        if not new:
            return
        rows = np.zeros(len(new), record)
        rows["sha"] = np.array([np.void(sha) for sha in new])
        rows["map"] = self._compute(images[list(new.values())]).numpy()
        with writing(path), FileLock(f"{path}.lock"), open(path, "ab") as stream:
            stream.truncate(stream.tell() // record.itemsize * record.itemsize)
            stream.write(rows.tobytes())
        self._open(path, record)

    def _open(self, path: Path, record: np.dtype) -> None:
        """Map the whole records; half of one, at the end, is of a process that was killed."""
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if path != self._path:
            self._path, self._kept = path, {}
        count, known = path.stat().st_size // record.itemsize, len(self._kept)
        if count > known:
            self._records = np.memmap(path, record, mode="r", shape=(count,))
            shas = self._records["sha"][known:]
            self._kept |= {bytes(sha): known + row for row, sha in enumerate(shas)}

    def of(self, dataset: CaptionDataset) -> GridView:
        """Of all pictures of a split, computed where they are not kept yet; needs a folder."""
        count, shas = len(dataset.records), list[bytes]()
        for start in track(range(0, count, _PICTURES), f"{self.network}, {dataset.split}"):
            images = dataset.images(range(start, min(start + _PICTURES, count)))
            shas += map(pixels_digest, images)
            self(images)
        return GridView(self._records, np.array([self._kept[sha] for sha in shas]))

    @torch.no_grad()
    def _compute(self, images: np.ndarray) -> Tensor:
        """The network's own preprocessing, then its last map, in float16."""
        about = self.net.pretrained_cfg
        mean, std = (
            torch.tensor(about[name], device=self.device).view(3, 1, 1)  # type: ignore[index]
            for name in ("mean", "std")
        )
        maps = []
        for start in range(0, len(images), _PER_CALL):
            pixels = np.ascontiguousarray(images[start : start + _PER_CALL])
            x = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float()
            x = x.div_(255).sub_(mean).div_(std)
            maps.append(self.net.forward_features(x).half().cpu())  # type: ignore[operator]
        return torch.cat(maps)


@dataclass(frozen=True)
class GridView:
    """Kept maps of N pictures, read when asked for.

    Attributes:
        records: of `Grids`, memory-mapped.
        rows: `(N,)` record of each picture.
    """

    records: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Sequence[int] | np.ndarray) -> Tensor:
        """Maps `(B, D, h, w)` float16 of the pictures at `index`."""
        return torch.from_numpy(self.records["map"][self.rows[np.asarray(index)]])

    @property
    def shas(self) -> list[bytes]:
        """Digests of the pixels, one a picture."""
        return [bytes(sha) for sha in self.records["sha"][self.rows]]

    def only(self, index: Sequence[int]) -> GridView:
        """The pictures at `index`."""
        return GridView(self.records, self.rows[np.asarray(index)])

    def parts(self) -> Iterator[Tensor]:
        """All maps in order, some at a time."""
        for rows in np.array_split(np.arange(len(self)), max(1, len(self) // _PICTURES)):
            yield self[rows]


def pixels_digest(picture: np.ndarray) -> bytes:
    """What tells a picture `(H, W, 3)` from others: its size and its pixels."""
    size = str(picture.shape[:2]).encode()
    return hashlib.sha256(size + np.ascontiguousarray(picture).tobytes()).digest()[:_SHA]


def half_of(sha: bytes) -> int:
    """Half of a split, 0 or 1, that a picture belongs to: a bit of its digest."""
    return sha[0] & 1


def _check(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        what = f"images have shape {images.shape} and type {images.dtype}"
        raise DataError(what, "pass uint8 RGB pixels of shape (B, H, W, 3)")
    if images.shape[1] % STRIDE or images.shape[2] % STRIDE:
        what = f"images of {images.shape[1]} x {images.shape[2]} pixels do not fit a grid"
        raise DataError(what, f"resize them to multiples of {STRIDE}")
