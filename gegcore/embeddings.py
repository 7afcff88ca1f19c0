"""Tables of CLIP embeddings of a split: computed once, stored as memory-mapped arrays."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from gegcore.array_folder import ArrayFolder, append_rows, save_arrays, stored_arrays
from gegcore.array_parts import write_parts
from gegcore.code_digest import code_digest, modules_of
from gegcore.data.dataset import CaptionDataset, pictures_key
from gegcore.errors import DataError, writing
from gegcore.progress import bar, track
from gegcore.storage import digest, need_room

_CHUNK = 256
"""Rows that are embedded at once. It divides `PART`: no bit depends on what was interrupted."""

_READERS = 8
"""Threads that read photographs, at most."""

_ARRAYS, _WHAT = ("images", "captions", "caption_image"), "CLIP embeddings"


class DualEncoder(Protocol):
    """Embeds pictures and captions in one space: CLIP, VSE++.

    One that prepares pictures of any size and shape by itself says so by `any_size`; if it has
    `prepare`, that is called before, picture by picture and in several threads, and `encode_images`
    is given what comes of it `(B, ...)`. One that is put together of several may have
    `beside(captions, images)`, which is given embeddings of some captions and of the image of each
    `(m, E)` before they are stored.
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
    and pictures; else it is made anew, by one process at a time. What is interrupted goes on: until
    all is there, `directory` keeps parts of it.

    Raises:
        DataError: the split has no images or no captions.
        StorageError: the disk has no room for all of it: said after the first pictures.
    """
    captions_of = [list(record.captions) for record in dataset.records]
    pictures = pictures_key(dataset)
    if not any(captions_of):
        raise DataError(
            f"split {dataset.split!r} of {dataset.name} has no captions", "give at least one"
        )
    about = {"clip": clip.name, "clip_digest": clip.digest, "captions_digest": digest(captions_of)}
    key = {**about, **pictures, "code": code_digest(__name__, *encoder_modules(clip))}
    if directory is None:
        return _embedded(clip, dataset, captions_of, key)
    if stored := stored_arrays(directory, _ARRAYS, _WHAT, key):
        return EmbeddingTable._of(stored)
    with writing(directory):
        Path(directory).parent.mkdir(parents=True, exist_ok=True)
        alone = FileLock(f"{directory}.lock").acquire()
    with alone:
        if not stored_arrays(directory, _ARRAYS, _WHAT, key):  # another process was faster
            _embedded(clip, dataset, captions_of, key, Path(directory)).save(directory)
    return EmbeddingTable.open(directory)


def _embedded(
    clip: DualEncoder,
    dataset: CaptionDataset,
    captions_of: Sequence[Sequence[str]],
    key: Mapping[str, str],
    place: Path | None = None,
) -> EmbeddingTable:
    """The table, not stored; in `place` its parts are, which go when the table is saved there."""
    texts = list(chain.from_iterable(captions_of))
    owners = torch.tensor([i for i, captions in enumerate(captions_of) for _ in captions])
    beside: Callable[[Tensor, Tensor], Tensor] = getattr(clip, "beside", lambda found, _: found)

    def encode(rows: range) -> Iterator[Tensor]:
        for chunk in _chunks(rows):
            found = clip.encode_texts(texts[chunk[0] : chunk[-1] + 1]).cpu()
            yield beside(found, images[owners[chunk[0] : chunk[-1] + 1]])

    rows, table = partial(_rows, f"CLIP {dataset.split}", place, key), len(captions_of) + len(texts)
    make = partial(_pictures, clip, dataset)
    images = rows("images", make, len(captions_of), more=len(texts) + table)
    captions = rows("captions", encode, len(texts), more=table)
    return EmbeddingTable(images, captions, owners, key)


def _rows(
    label: str,
    place: Path | None,
    key: Mapping[str, str],
    name: str,
    encode: Callable[[range], Iterator[Tensor]],
    total: int,
    more: int,
) -> Tensor:
    """Embeddings `(total, E)` on the CPU; with a place in parts there, each of which is made once.

    Args:
        encode: rows -> their embeddings, some after others.
        more: rows for which there must be room beside these.
    """
    label = f"{label} {name}"
    with bar(total, label, "row") as progress:

        def made(rows: range) -> Iterator[Tensor]:
            progress.update(rows.start - progress.n)  # beyond the parts that are there
            for found in encode(rows):
                progress.update(len(found))
                yield found.cpu()

        def fill(folder: Path, start: int, stop: int) -> None:
            for number, found in enumerate(made(range(start, stop))):
                if not number:  # hours before it is needed
                    each = found.nbytes // len(found)
                    need_room(folder, each * (total - start + more), label)
                append_rows(folder / "rows.npy", found.numpy(), stop - start)

        if place is None:
            return torch.cat(list(made(range(total))))
        parts = write_parts(place / name, ("rows",), label, dict(key), total, fill)
        assert parts is not None  # nobody else has a share
        return torch.from_numpy(parts.whole("rows"))


def embed_pictures(
    clip: DualEncoder, dataset: CaptionDataset, rows: Sequence[int], label: str
) -> Tensor:
    """Embeddings `(B, E)` of the pictures at positions of a data set, on the CPU.

    Raises:
        DataError: a picture cannot be read.
    """
    found = track(_pictures(clip, dataset, rows), label, -(-len(rows) // _CHUNK), delay=2)
    return torch.cat([embeddings.cpu() for embeddings in found])


def _pictures(clip: DualEncoder, dataset: CaptionDataset, rows: Sequence[int]) -> Iterator[Tensor]:
    """Embeddings of pictures at positions, `_CHUNK` at a time.

    Of a data set that has `originals` they are read, and prepared, by threads while others are
    embedded: a GPU is faster than one core that decodes. Others need not bear threads.
    """
    originals = getattr(dataset, "originals", None)
    prepare, any_size = getattr(clip, "prepare", None), getattr(clip, "any_size", False)
    if originals is None:
        for chunk in _chunks(rows):
            yield clip.encode_images(dataset.images(chunk))
        return
    join: Callable[[list[Any]], Any] = np.concatenate

    def read(row: int) -> Any:
        if not any_size:
            return dataset.images([row])
        picture = originals([row])  # which a preparation of its own crops
        return prepare(picture) if prepare else picture[0]

    if any_size:
        join = torch.cat if prepare else list
    with closing(_ahead(read, rows)) as chunks:
        for chunk in chunks:
            yield clip.encode_images(join(chunk))


def _ahead(read: Callable[[int], Any], rows: Sequence[int]) -> Generator[list[Any]]:
    """What `read` gives of `_CHUNK` rows after others; threads read the next ones meanwhile."""
    cores = torch.get_num_threads()
    one_each = partial(torch.set_num_threads, 1)
    pool = ThreadPoolExecutor(min(cores, _READERS), initializer=one_each)
    try:
        # Of `open_picture` in several threads: one may restore the filters that another has set.
        with warnings.catch_warnings():
            first, *others = _chunks(rows)
            begun = pool.map(read, first)
            for following in (*others, ()):
                now, begun = begun, pool.map(read, following)
                yield list(now)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def _chunks(rows: Sequence[int]) -> list[Sequence[int]]:
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]


def encoder_modules(encoder: DualEncoder) -> list[str]:
    """Modules whose code embeds; an encoder that is put together names its parts in `parts`."""
    return modules_of(encoder, *getattr(encoder, "parts", ()))
