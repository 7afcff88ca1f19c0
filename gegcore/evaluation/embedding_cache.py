"""CLIP embeddings kept by content, so that the same pictures and texts are embedded once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load, save
from torch import Tensor

from gegcore.clip import ClipModel
from gegcore.errors import DataError
from gegcore.storage import atomic_write, digest


def content_key(kind: str, content: bytes) -> str:
    """Key of a picture's file or of a text: a SHA-256 in hex."""
    return hashlib.sha256(kind.encode() + b"\0" + content).hexdigest()


class EmbeddingCache:
    """Embeddings of one CLIP by the content that was embedded.

    On disk it is a folder of files to which each `add` adds one, named by its own SHA-256: nothing
    is rewritten, and a file that is damaged counts as not there.

    Args:
        clip: whose embeddings these are.
        folder: where to keep them; without one they are kept in memory only.
    """

    def __init__(self, clip: ClipModel, folder: Path | str | None = None) -> None:
        self.source = {"clip": clip.name, "digest": clip.digest, "open_clip": open_clip.__version__}
        self.folder = Path(folder) / "embeddings" / digest(self.source) if folder else None
        self._known: dict[str, Tensor] = {}
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder else ():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == path.stem:
                self._known.update(load(content))

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, keys: Sequence[str]) -> Tensor:
        """Embeddings `(M, E)` of contents that are known, `(0, 0)` of none."""
        return torch.stack([self._known[key] for key in keys]) if keys else torch.empty(0, 0)

    def add(self, embeddings: Mapping[str, Tensor]) -> None:
        """Keep embeddings `(E,)` by key; on disk, too, if that is possible.

        Raises:
            DataError: an embedding is NaN or infinite.
        """
        rows = {key: row.detach().float().cpu().clone() for key, row in embeddings.items()}
        if not all(bool(torch.isfinite(row).all()) for row in rows.values()):
            raise DataError(
                f"CLIP {self.source['clip']} gives embeddings that are NaN or infinite",
                "check its weights",
            )
        self._known.update(rows)
        if not rows or self.folder is None:
            return
        content = save(rows)
        name = f"{hashlib.sha256(content).hexdigest()}.safetensors"
        try:
            with atomic_write(self.folder / name, "wb") as stream:
                stream.write(content)
        except OSError:
            self.folder = None  # No place to write: the next evaluation embeds again.
