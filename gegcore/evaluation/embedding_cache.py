"""CLIP embeddings kept by content, so that the same pictures and texts are embedded once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import open_clip
import torch
from torch import Tensor

from gegcore.array_folder import ArrayFolder, save_arrays
from gegcore.errors import DataError, GegError
from gegcore.storage import digest

if TYPE_CHECKING:
    from gegcore.clip import ClipModel

_ARRAYS = ("keys", "embeddings")


def content_key(kind: str, content: bytes) -> str:
    """Key of a picture's file or of a text: a SHA-256 in hex."""
    return hashlib.sha256(kind.encode() + b"\0" + content).hexdigest()


class EmbeddingCache:
    """Embeddings of one CLIP by the content that was embedded.

    On disk it is a folder of tables to which each `add` adds one: nothing is rewritten, and a
    table that is damaged or half written counts as not there.

    Args:
        clip: whose embeddings these are.
        folder: where to keep them; without one they are kept in memory only.
    """

    def __init__(self, clip: ClipModel, folder: Path | str | None = None) -> None:
        version = open_clip.__version__
        self.key = {"clip": clip.name, "clip_digest": clip.digest, "open_clip": version}
        self.folder = Path(folder) / "embeddings" / digest(self.key) if folder else None
        self._known: dict[str, Tensor] = {}
        for table in sorted(self.folder.glob("*/")) if self.folder and self.folder.is_dir() else ():
            self._load(table)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, keys: Sequence[str]) -> Tensor:
        """Embeddings `(M, E)` of contents that are known, `(0, 0)` of none."""
        if not keys:
            return torch.empty(0, 0)
        return torch.stack([self._known[key] for key in keys])

    def add(self, embeddings: Mapping[str, Tensor]) -> None:
        """Keep embeddings `(E,)` by key; on disk, too, if that is possible.

        Raises:
            DataError: an embedding is NaN or infinite.
        """
        if not embeddings:
            return
        rows = torch.stack(list(embeddings.values())).float().cpu()
        if not bool(torch.isfinite(rows).all()):
            raise DataError(
                f"CLIP {self.key['clip']} gives embeddings that are NaN or infinite",
                "check its weights",
            )
        self._known.update(zip(embeddings, rows, strict=True))
        if self.folder is None:
            return
        keys = torch.from_numpy(np.stack([_bytes(key) for key in embeddings]))
        try:
            name = digest(sorted(embeddings))
            save_arrays(self.folder / name, {"keys": keys, "embeddings": rows}, self.key)
        except OSError:
            self.folder = None  # No place to write: the next evaluation embeds again.

    def _load(self, table: Path) -> None:
        try:
            stored = ArrayFolder.open(table, _ARRAYS, "CLIP embeddings")
        except (GegError, OSError):
            return
        keys, rows = (stored.tensors[name] for name in _ARRAYS)
        if stored.key == self.key and keys.shape == (len(rows), 32):
            names = [bytes(key).hex() for key in keys.numpy()]
            self._known.update(zip(names, rows, strict=True))


def _bytes(key: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(key), dtype=np.uint8)
