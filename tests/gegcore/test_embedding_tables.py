"""Tables of embeddings: made in parts that an interruption leaves, by threads that read ahead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from full_disk import free_bytes
from PIL import Image

from gegcore import array_parts, embeddings
from gegcore.data.dataset import ImageRecord
from gegcore.embeddings import EmbeddingTable, embed_dataset, embed_pictures
from gegcore.errors import DataError, StorageError


class Many:
    """Seven pictures, three captions each."""

    name, split = "many", "val"

    def __init__(self) -> None:
        self.records = [ImageRecord(i, (f"a {i}", f"one {i} more", f"{i}")) for i in range(7)]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        return np.stack([np.full((32, 32, 3), 30 * i, dtype=np.uint8) for i in indices])


class Counting:
    """An encoder that counts what it embeds, and may be stopped at some caption."""

    name, digest = "counting", "1"

    def __init__(self, stop: str = "") -> None:
        self.seen: list[Any] = []
        self.stop = stop

    def encode_images(self, images: np.ndarray) -> torch.Tensor:
        self.seen += images[:, 0, 0, 0].tolist()
        return torch.from_numpy(images[:, 0, 0, :2]).float() + torch.tensor([1, -90])

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        if self.stop in texts:
            raise KeyboardInterrupt
        self.seen += texts
        return torch.tensor([[float(len(text)), float(ord(text[-1]))] for text in texts])

    def beside(self, captions: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        return captions * images.sign()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert array_parts.PART % embeddings._CHUNK == 0, "else bits depend on interruptions"
    monkeypatch.setattr(array_parts, "PART", 4)
    monkeypatch.setattr(embeddings, "_CHUNK", 2)


@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_table_goes_on_and_is_stored_like_any_other(tmp_path: Path) -> None:
    data, whole = Many(), embed_dataset(Counting(), Many())
    texts = [text for record in data.records for text in record.captions]
    wanted = Counting().encode_texts(texts) * whole.images[whole.caption_image].sign()
    assert torch.equal(whole.captions, wanted) and (wanted < 0).any()
    whole.save(tmp_path / "at once")
    first = Counting(stop=texts[10])
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(first, data, tmp_path / "parts")
    assert first.seen == [*range(0, 210, 30), *texts[:10]]
    again = Counting()
    table = embed_dataset(again, data, tmp_path / "parts")
    assert again.seen == texts[8:], "of the part that was not whole"
    assert table.digest == EmbeddingTable.open(tmp_path / "at once").digest
    for path in (tmp_path / "at once").iterdir():
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes()
    assert len([*(tmp_path / "parts").iterdir()]) == 4
    other: Any = Counting()
    other.digest = "2"
    embed_dataset(other, data, tmp_path / "parts")
    assert len(other.seen) == 28


class Files(Many):
    """Their files, of which some may be damaged; threads read them."""

    def __init__(self, damaged: int = -1) -> None:
        super().__init__()
        self.damaged, self.read = damaged, list[int]()
        self.readers = set[str]()

    def originals(self, indices: Sequence[int]) -> list[Image.Image]:
        assert len(indices) == 1, "a thread holds one picture in full size"
        self.read += indices
        self.readers.add(current_thread().name)
        if self.damaged in indices:
            raise DataError(f"{self.damaged}.jpg is damaged")
        return [Image.fromarray(picture) for picture in super().images(indices)]

    def images(self, indices: Sequence[int]) -> np.ndarray:
        return np.stack([np.asarray(self.originals([index])[0]) for index in indices])


class Cropping(Counting):
    """Prepares photographs by itself."""

    any_size = True

    def encode_images(self, images: Any) -> torch.Tensor:
        return super().encode_images(np.stack([np.asarray(image) for image in images]))


class Preparing(Cropping):
    """Does so beforehand."""

    def prepare(self, images: Sequence[Image.Image]) -> torch.Tensor:
        return torch.from_numpy(np.stack([np.asarray(image) for image in images]))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("kind", [Counting, Cropping, Preparing])
def test_files_are_read_by_threads_a_chunk_ahead(kind: type[Counting]) -> None:
    clip, data, read = kind(), Files(), list[int]()
    before = clip.encode_images

    def encode(images: Any) -> torch.Tensor:
        read.append(len(data.read))
        return before(images)

    clip.encode_images = encode  # type: ignore[method-assign]
    threads = torch.get_num_threads()
    found = embed_pictures(clip, data, [6, 5, 4, 0, 1, 2, 3], "pictures")
    wanted = embed_pictures(Counting(), Many(), [6, 5, 4, 0, 1, 2, 3], "pictures")
    assert torch.equal(found, wanted) and clip.seen == [180, 150, 120, 0, 30, 60, 90]
    assert all(number <= 4 + 2 * chunk for chunk, number in enumerate(read))
    assert current_thread().name not in data.readers
    assert torch.get_num_threads() == threads
    with pytest.raises(DataError, match=r"4\.jpg is damaged"):
        embed_pictures(kind(), Files(damaged=4), range(7), "pictures")


def test_two_processes_make_a_table_once(tmp_path: Path) -> None:
    clip, made = Counting(), tmp_path / "made"
    embed_dataset(Counting(), Many(), made)
    with FileLock(f"{tmp_path / 'val'}.lock"):
        other = Thread(target=embed_dataset, args=(clip, Many(), tmp_path / "val"))
        other.start()
        other.join(0.5)
        assert other.is_alive() and not clip.seen
        made.rename(tmp_path / "val")
    other.join()
    assert not clip.seen


def test_room_for_parts_and_table_is_asked_for_after_the_first_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes(monkeypatch, 8 * 2 * 28 - 1)
    with pytest.raises(StorageError, match="CLIP val images need 448 B in "):
        embed_dataset(Counting(), Many(), tmp_path / "val")
    free_bytes(monkeypatch, 8 * 2 * 28)
    embed_dataset(Counting(), Many(), tmp_path / "val")
