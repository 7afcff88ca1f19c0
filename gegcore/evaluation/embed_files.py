"""Pictures and texts of strangers through CLIP, each content once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
_PATIENCE = 2.0  # seconds before a bar appears

T = TypeVar("T")


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

    def encode(batch: Sequence[tuple[str, Path]]) -> dict[str, Tensor]:
        opened: dict[str, Image.Image] = {}
        for key, path in batch:
            try:
                opened[key] = open_picture(path)
            except DataError as error:
                broken.append(error.what)
        rows = clip.encode_images(list(opened.values()), size).cpu() if opened else []
        return dict(zip(opened, rows, strict=True))

    unknown = {key: files[image] for image, key in keys.items() if key not in cache}
    _embed(list(unknown.items()), size, encode, cache, "CLIP pictures")
    for problem in sorted(broken):
        skips.add("pictures that do not open", problem)
    skips.check("replace or remove them")
    good = [image for image in files if image in keys and keys[image] in cache]
    return dict(zip(good, cache.get([keys[image] for image in good]), strict=True))


def embed_texts(clip: ClipModel, texts: Sequence[str], cache: EmbeddingCache) -> Tensor:
    """Embeddings `(M, E)` of texts, L2-normalised.

    Texts of like lengths go together: the text tower reads as many words as the longest has.
    """

    def encode(batch: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
        rows = clip.encode_texts([text for _, text in batch]).cpu()
        return dict(zip([key for key, _ in batch], rows, strict=True))

    keys = [content_key("text", text.encode()) for text in texts]
    unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in cache}
    todo = sorted(unknown.items(), key=lambda item: len(item[1]))
    _embed(todo, _TEXTS, encode, cache, "CLIP references")
    return cache.get(keys)


def _embed(
    todo: Sequence[T],
    size: int,
    encode: Callable[[Sequence[T]], dict[str, Tensor]],
    cache: EmbeddingCache,
    description: str,
) -> None:
    """Fill the cache, batch after batch, as many at once as torch has threads.

    Threads that share every operation wait for each other after each, and on a machine with
    other work to do they mostly wait. So each has a batch of its own. An error or an interrupt
    drops the batches not begun.
    """
    batches = [todo[start : start + size] for start in range(0, len(todo), size)]
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))
    try:
        results = pool.map(encode, batches)
        for embedded in track(results, description, len(batches), delay=_PATIENCE):
            cache.add(embedded)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
