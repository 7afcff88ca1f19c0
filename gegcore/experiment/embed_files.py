"""Pictures and texts of strangers through CLIP, each content once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from gegcore.clip import ClipModel
from gegcore.embedding_cache import EmbeddingCache, content_key
from gegcore.errors import DataError
from gegcore.metrics.image_folder import open_picture
from gegcore.metrics.image_ids import ImageId
from gegcore.metrics.skipped import Skips
from gegcore.progress import track

PICTURES_AT_ONCE = 64

# What is lost at most when the work is interrupted: one table of the cache.
_PICTURES_PER_TABLE, _TEXTS_PER_TABLE = 1024, 4096
_PATIENCE = 2.0  # seconds before a bar appears


def embed_pictures(
    clip: ClipModel,
    files: Mapping[ImageId, Path],
    cache: EmbeddingCache,
    skips: Skips,
    batch_size: int = PICTURES_AT_ONCE,
) -> dict[ImageId, Tensor]:
    """Embeddings `(E,)` of pictures, each L2-normalised; those that do not open are left out.

    Pictures are read, one batch ahead, while the batch before them is in the network.

    Raises:
        DataError: a picture does not open, and skipping is not allowed.
    """
    keys: dict[ImageId, str] = {}
    broken: dict[str, str] = {}
    for image, path in track(files.items(), "reading pictures", len(files), delay=_PATIENCE):
        try:
            keys[image] = content_key("picture", path.read_bytes())
        except OSError as error:
            broken[str(path)] = f"{path.name}: {error.strerror}"
    unknown = {key: files[image] for image, key in keys.items() if key not in cache}
    made: dict[str, Tensor] = {}
    with ThreadPoolExecutor(max_workers=2) as pool:
        batches = _read_ahead(list(unknown.items()), batch_size, pool)
        for names, pictures in track(
            batches, "CLIP pictures", -(-len(unknown) // batch_size), delay=_PATIENCE
        ):
            opened = [x for x in pictures if not isinstance(x, DataError)]
            rows = iter(clip.encode_images(opened, batch_size).cpu() if opened else ())
            for key, picture in zip(names, pictures, strict=True):
                if isinstance(picture, DataError):
                    broken[str(unknown[key])] = picture.what
                else:
                    made[key] = next(rows)
            if len(made) >= _PICTURES_PER_TABLE:
                cache.add(made)
                made = {}
    cache.add(made)
    skips.check("pictures that do not open", list(broken.values()), "replace or remove them")
    good = [image for image in files if image in keys and keys[image] in cache]
    rows = cache.get([keys[image] for image in good]) if good else torch.empty(0, 1)
    return dict(zip(good, rows, strict=True))


def embed_texts(clip: ClipModel, texts: Sequence[str], cache: EmbeddingCache) -> Tensor:
    """Embeddings `(M, E)` of texts, L2-normalised."""
    keys = [content_key("text", text.encode()) for text in texts]
    unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in cache}
    todo, names = list(unknown.values()), list(unknown)
    starts = range(0, len(todo), _TEXTS_PER_TABLE)
    for start in track(starts, "CLIP references", delay=_PATIENCE):
        part = slice(start, start + _TEXTS_PER_TABLE)
        rows = clip.encode_texts(todo[part]).cpu()
        cache.add(dict(zip(names[part], rows, strict=True)))
    return cache.get(keys)


Opened = Image.Image | DataError


def _read_ahead(
    files: Sequence[tuple[str, Path]], size: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[list[str], list[Opened]]]:
    """Keys and pictures of one batch after the other, the next one being read meanwhile."""
    batches = [files[start : start + size] for start in range(0, len(files), size)]
    ahead: Iterator[Opened] = iter(())
    for number, batch in enumerate(batches):
        current = ahead if number else pool.map(_open, [path for _, path in batch])
        if number + 1 < len(batches):
            ahead = pool.map(_open, [path for _, path in batches[number + 1]])
        yield [key for key, _ in batch], list(current)


def _open(path: Path) -> Opened:
    try:
        return open_picture(path)
    except DataError as error:
        return error
