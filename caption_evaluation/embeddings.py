"""Pictures and texts of strangers through CLIP, each content once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import open_clip
import PIL
import torch
from safetensors.torch import load, save
from torch import Tensor

from caption_evaluation.images import ImageId, open_picture
from caption_evaluation.skipped import Skips
from gegcore.clip import ClipModel
from gegcore.code_digest import code_digest
from gegcore.embeddings import encoder_modules
from gegcore.errors import DataError
from gegcore.progress import track
from gegcore.storage import atomic_write, digest, sha256_file

# At once. What a small batch computes on a CPU stays in its caches: a third faster than 64.
_ON_CPU, _ON_GPU = 16, 128
_TEXTS = 256

T = TypeVar("T")


def content_key(kind: str, content: bytes) -> str:
    """Key of a picture's file or of a text: a SHA-256 in hex."""
    return hashlib.sha256(kind.encode() + b"\0" + content).hexdigest()


class EmbeddingCache(dict[str, Tensor]):
    """Embeddings `(E,)` of one CLIP, by the key of the content that was embedded.

    On disk it is a folder of files to which each `add` adds one, named by its own SHA-256: nothing
    is rewritten, and a file that is damaged counts as not there. Without a folder they are kept in
    memory only.
    """

    def __init__(self, clip: ClipModel, folder: Path | str | None = None) -> None:
        super().__init__()
        version = open_clip.__version__
        code = code_digest("caption_evaluation.images", *encoder_modules(clip))
        about = {"clip_digest": clip.digest, "open_clip": version, "pillow": PIL.__version__}
        self.key = {"clip": clip.name, **about, "code": code}
        self.folder = Path(folder) / "embeddings" / digest(self.key) if folder else None
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder else ():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == path.stem:
                self.update(load(content))

    def add(self, keys: Iterable[str], rows: Tensor) -> None:
        """Keep embeddings `(M, E)` of M keys; on disk, too, if that is possible.

        Raises:
            DataError: an embedding is NaN or infinite.
        """
        if not bool(torch.isfinite(rows).all()):
            what = f"CLIP {self.key['clip']} gives embeddings that are NaN or infinite"
            raise DataError(what, "check its weights")
        new = {key: row.clone() for key, row in zip(keys, rows.float().cpu(), strict=True)}
        self.update(new)
        if self.folder is None:
            return
        content = save(new)
        name = f"{hashlib.sha256(content).hexdigest()}.safetensors"
        try:
            with atomic_write(self.folder / name, "wb") as stream:
                stream.write(content)
        except OSError:
            self.folder = None  # No place to write: the next evaluation embeds again.


def embed_pictures(
    clip: ClipModel,
    files: Mapping[ImageId, Path],
    cache: EmbeddingCache,
    skips: Skips,
    batch_size: int | None = None,
) -> dict[ImageId, Tensor]:
    """Embeddings `(E,)` of pictures, each L2-normalised; those that do not open are left out.

    Raises:
        DataError: a picture does not open, and skipping is not allowed; or the CLIP is broken.
    """
    size = batch_size or (_ON_CPU if clip.device.type == "cpu" else _ON_GPU)
    keys: dict[ImageId, str] = {}
    broken: list[str] = []

    def encode(batch: Sequence[tuple[ImageId, Path]]) -> None:
        prepared: dict[str, Tensor] = {}
        for image, path in batch:
            try:
                key = content_key("picture", sha256_file(path).encode())
                if key not in cache and key not in prepared:
                    # At once, so that a thread holds one picture in full size, not a batch.
                    prepared[key] = clip.prepare([open_picture(path)])
                keys[image] = key
            except (OSError, DataError) as error:
                broken.append(getattr(error, "what", str(error)))
        if prepared:
            cache.add(prepared, clip.encode_images(torch.cat(list(prepared.values())), size))

    _one_batch_a_core(encode, list(files.items()), size, "CLIP pictures")
    for problem in sorted(broken):
        skips.add("pictures that do not open", problem)
    skips.check("replace or remove them")
    return {image: cache[keys[image]] for image in files if image in keys}


def embed_texts(clip: ClipModel, texts: Sequence[str], cache: EmbeddingCache) -> Tensor:
    """Embeddings `(M, E)` of texts, L2-normalised.

    Texts of like lengths go together: the text tower reads as many words as the longest has.
    """
    keys = {text: content_key("text", text.encode()) for text in texts}

    def encode(batch: Sequence[str]) -> None:
        cache.add([keys[text] for text in batch], clip.encode_texts(batch))

    unknown = sorted((text for text in keys if keys[text] not in cache), key=len)
    _one_batch_a_core(encode, unknown, _TEXTS, "CLIP references")
    return torch.stack([cache[keys[text]] for text in texts])


def _one_batch_a_core(
    encode: Callable[[Sequence[T]], None], items: Sequence[T], size: int, description: str
) -> None:
    """Encode batch after batch, as many at once as torch has threads.

    Threads that share every operation wait for each other after each, and on a machine with
    other work to do they mostly wait. So each has a batch of its own. An error or an interrupt
    drops the batches not begun.
    """
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))
    try:
        for _ in track(pool.map(encode, batches), description, len(batches), delay=2):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
