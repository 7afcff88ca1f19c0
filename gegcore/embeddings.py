"""Tables of CLIP embeddings of a split: computed once, stored as memory-mapped arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gegcore.array_folder import ArrayFolder, save_arrays, stored_arrays
from gegcore.code_digest import code_digest, modules_of
from gegcore.data.dataset import CaptionDataset, pictures_key
from gegcore.errors import DataError
from gegcore.progress import track
from gegcore.storage import digest, need_room

_CHUNK = 256
_ARRAYS, _WHAT = ("images", "captions", "caption_image"), "CLIP embeddings"


class DualEncoder(Protocol):
    """Embeds pictures and captions in one space: CLIP, VSE++.

    One that prepares pictures of any size and shape by itself says so by `any_size`. One that is
    put together of several may have `beside(captions, images)`, which is given embeddings of
    captions and of the image of each `(M, E)` before they are stored.
    """

    name: str

    @property
    def digest(self) -> str:
        """Of the weights."""

    def encode_images(self, images: Any) -> Tensor:
        """Pictures uint8 RGB `(B, H, W, 3)` -> `(B, E)`, L2-normalised."""

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Captions `(M,)` -> `(M, E)`, L2-normalised."""


@dataclass(frozen=True)
class EmbeddingTable:
    """CLIP embeddings of one split.

    Attributes:
        images: `(N, E)` float32, L2-normalised.
        captions: `(M, E)` float32, all ground-truth captions, image after image.
        caption_image: `(M,)` int64, the position of each caption's image.
        key: what they were made from: clip, clip_digest, captions_digest, code, `pictures_key`.
        digest: of the content of stored ones: equal digests, equal embeddings.
    """

    images: Tensor
    captions: Tensor
    caption_image: Tensor
    key: Mapping[str, str]
    digest: str = ""

    def save(self, directory: Path | str) -> None:
        """Write the arrays and a manifest with their checksums."""
        save_arrays(directory, {name: getattr(self, name) for name in _ARRAYS}, self.key)

    @classmethod
    def open(cls, directory: Path | str) -> EmbeddingTable:
        """Memory-map a table written by `save`; raises as `ArrayFolder.open`."""
        return cls._of(ArrayFolder.open(directory, _ARRAYS, _WHAT))

    @classmethod
    def _of(cls, folder: ArrayFolder) -> EmbeddingTable:
        return cls(**folder.tensors, key=folder.key, digest=folder.digest)


def weights_digest(model: nn.Module, name: str = "") -> str:
    """First 16 hex digits of the SHA-256 of weights (names, shapes, float32 bytes)."""
    state = hashlib.sha256((name or type(model).__name__).encode())
    for key, tensor in sorted(model.state_dict().items()):
        state.update(f"{key}{tuple(tensor.shape)}".encode())
        state.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def embed_dataset(
    clip: DualEncoder, dataset: CaptionDataset, directory: Path | str | None = None
) -> EmbeddingTable:
    """Embed all pictures and captions of a split, or open the table stored in `directory`.

    It is opened if it is whole, and the same code of the same CLIP made it from the same captions
    and pictures; else it is made anew.

    Raises:
        DataError: the split has no images or no captions.
    """
    captions_of = [list(record.captions) for record in dataset.records]
    pictures = pictures_key(dataset)
    if not any(captions_of):
        raise DataError(
            f"split {dataset.split!r} of {dataset.name} has no captions", "give at least one"
        )
    about = {"clip": clip.name, "clip_digest": clip.digest, "captions_digest": digest(captions_of)}
    key = {**about, **pictures, "code": code_digest(__name__, *encoder_modules(clip))}
    stored = stored_arrays(directory, _ARRAYS, _WHAT, key) if directory is not None else None
    if stored is not None:
        return EmbeddingTable._of(stored)
    texts = list(chain.from_iterable(captions_of))
    owners = torch.tensor([i for i, captions in enumerate(captions_of) for _ in captions])
    rows, label = range(len(dataset.records)), f"CLIP {dataset.split}"
    captions = _in_chunks(texts, clip.encode_texts, f"{label} captions", directory)
    images = embed_pictures(clip, dataset, rows, f"{label} images", directory)
    if beside := getattr(clip, "beside", None):
        captions = beside(captions, images[owners])
    table = EmbeddingTable(images, captions, owners, key)
    if directory is None:
        return table
    table.save(directory)
    return EmbeddingTable.open(directory)


def embed_pictures(
    clip: DualEncoder,
    dataset: CaptionDataset,
    rows: Sequence[int],
    label: str,
    directory: Path | str | None = None,
) -> Tensor:
    """Embeddings `(B, E)` of the pictures at positions of a data set, on the CPU.

    Args:
        directory: where they will be stored, which must have room for them.
    """
    pictures_of = dataset.images
    if getattr(clip, "any_size", False):  # its own preparation crops photographs
        pictures_of = getattr(dataset, "originals", pictures_of)
    return _in_chunks(rows, lambda chunk: clip.encode_images(pictures_of(chunk)), label, directory)


def encoder_modules(encoder: DualEncoder) -> list[str]:
    """Modules whose code embeds; an encoder that is put together names its parts in `parts`."""
    return modules_of(encoder, *getattr(encoder, "parts", ()))


def _in_chunks(
    items: Any, encode: Callable[[Any], Tensor], description: str, directory: Path | str | None
) -> Tensor:
    parts = []
    for start in track(range(0, len(items), _CHUNK), description):
        parts.append(encode(items[start : start + _CHUNK]).cpu())
        if not start and directory is not None:  # hours before it is needed
            size = parts[0].nbytes // len(parts[0]) * len(items)
            need_room(Path(directory), size, description)
    return torch.cat(parts)
