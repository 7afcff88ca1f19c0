"""Pictures and texts of strangers through CLIP, each content once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from gegcore.clip import ClipModel
from gegcore.errors import DataError
from gegcore.evaluation.embedding_cache import EmbeddingCache, content_key
from gegcore.evaluation.image_folder import open_picture
from gegcore.evaluation.image_ids import ImageId
from gegcore.evaluation.skipped import Skips
from gegcore.progress import track

# Pictures at once. What a small batch computes on a CPU stays in its caches: a third faster
# than 64.
_ON_CPU, _ON_GPU = 16, 128
_TEXTS = 256

# What is lost at most when the work is interrupted: one table of the cache.
_PICTURES_PER_TABLE, _TEXTS_PER_TABLE = 1024, 4096
_PATIENCE = 2.0  # seconds before a bar appears

T = TypeVar("T")
Embedded = list[tuple[str, Tensor | DataError]]
"""Keys, each with its embedding `(E,)` or with what kept it from having one."""


def embed_pictures(
    clip: ClipModel,
    files: Mapping[ImageId, Path],
    cache: EmbeddingCache,
    skips: Skips,
    batch_size: int | None = None,
) -> dict[ImageId, Tensor]:
    """Embeddings `(E,)` of pictures, each L2-normalised; those that do not open are left out.

    Args:
        batch_size: pictures in the network at once; by default as many as suit its device.

    Raises:
        DataError: a picture does not open, and skipping is not allowed; or the CLIP is broken.
    """
    size = batch_size or (_ON_CPU if clip.device.type == "cpu" else _ON_GPU)
    keys: dict[ImageId, str] = {}
    broken: list[str] = []
    for image, path in track(files.items(), "reading pictures", len(files), delay=_PATIENCE):
        try:
            keys[image] = content_key("picture", path.read_bytes())
        except OSError as error:
            broken.append(f"{path}: {error.strerror}")
    unknown = list({key: files[image] for image, key in keys.items() if key not in cache}.items())
    encode = partial(_encode_pictures, clip, size)
    broken += _embed(unknown, size, encode, cache, _PICTURES_PER_TABLE, "CLIP pictures")
    skips.check("pictures that do not open", broken, "replace or remove them")
    good = [image for image in files if image in keys and keys[image] in cache]
    return dict(zip(good, cache.get([keys[image] for image in good]), strict=True))


def embed_texts(clip: ClipModel, texts: Sequence[str], cache: EmbeddingCache) -> Tensor:
    """Embeddings `(M, E)` of texts, L2-normalised.

    Texts of like lengths go together: the text tower reads as many words as the longest has.
    """
    keys = [content_key("text", text.encode()) for text in texts]
    unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in cache}
    todo = sorted(unknown.items(), key=lambda item: len(item[1]))
    encode = partial(_encode_texts, clip)
    _embed(todo, _TEXTS, encode, cache, _TEXTS_PER_TABLE, "CLIP references")
    return cache.get(keys)


def _encode_pictures(clip: ClipModel, size: int, files: Sequence[tuple[str, Path]]) -> Embedded:
    opened: list[tuple[str, Image.Image]] = []
    results: Embedded = []
    for key, path in files:
        try:
            opened.append((key, open_picture(path)))
        except DataError as error:
            results.append((key, error))
    if not opened:
        return results
    rows = clip.encode_images([picture for _, picture in opened], size).cpu()
    return [*results, *zip([key for key, _ in opened], rows, strict=True)]


def _encode_texts(clip: ClipModel, texts: Sequence[tuple[str, str]]) -> Embedded:
    rows = clip.encode_texts([text for _, text in texts]).cpu()
    return list(zip([key for key, _ in texts], rows, strict=True))


def _embed(
    todo: Sequence[T],
    size: int,
    encode: Callable[[Sequence[T]], Embedded],
    cache: EmbeddingCache,
    per_table: int,
    description: str,
) -> list[str]:
    """Fill the cache, batch after batch; what could not be embedded, in words."""
    batches = [todo[start : start + size] for start in range(0, len(todo), size)]
    made: dict[str, Tensor] = {}
    broken: list[str] = []
    with _one_batch_a_core() as pool:
        results = pool.map(encode, batches)
        for embedded in track(results, description, len(batches), delay=_PATIENCE):
            for key, found in embedded:
                if isinstance(found, DataError):
                    broken.append(found.what)
                else:
                    made[key] = found
            if len(made) >= per_table:
                cache.add(made)
                made = {}
    cache.add(made)
    return broken


@contextmanager
def _one_batch_a_core() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch would use, each with a batch of its own.

    Threads that share every operation wait for each other after each, and on a machine with
    other work to do they mostly wait. An error or an interrupt drops the batches not begun.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
