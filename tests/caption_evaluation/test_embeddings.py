"""Embeddings by content: kept, found again, and not believed when damaged."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from caption_evaluation import embeddings
from caption_evaluation.embeddings import EmbeddingCache, content_key, embed_pictures
from caption_evaluation.skipped import Skips
from gegcore.clip import ClipModel
from gegcore.errors import DataError

CLIP: Any = SimpleNamespace(name="letters", digest="0123456789abcdef")
KEYS = [content_key("text", text) for text in (b"a", b"b", b"c")]
ROWS = torch.arange(12.0).view(3, 4)


def test_kinds_of_content_have_keys_of_their_own() -> None:
    assert len({content_key("text", b"a"), content_key("picture", b"a"), *KEYS}) == 4


def test_embeddings_are_found_again_by_the_same_clip(tmp_path: Path) -> None:
    first = EmbeddingCache(CLIP, tmp_path)
    first.add(KEYS[:2], ROWS[:2])
    first.add(KEYS[2:], ROWS[2:])
    again = EmbeddingCache(CLIP, tmp_path)
    assert torch.stack([again[key] for key in KEYS]).equal(ROWS)
    other = SimpleNamespace(name="letters", digest="another")
    assert KEYS[0] not in EmbeddingCache(other, tmp_path)  # type: ignore[arg-type]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    cache = EmbeddingCache(CLIP)
    cache.add(KEYS[:1], ROWS[:1])
    assert cache[KEYS[0]].equal(ROWS[0]) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [lambda x: x[:-3], lambda x: x[:-3] + b"abc", lambda x: b""])
def test_damaged_files_count_as_not_there(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    EmbeddingCache(CLIP, tmp_path).add(KEYS[:1], ROWS[:1])
    (path,) = (found for found in tmp_path.rglob("*") if found.is_file())
    path.write_bytes(damage(path.read_bytes()))
    cache = EmbeddingCache(CLIP, tmp_path)
    assert KEYS[0] not in cache
    cache.add(KEYS[:1], ROWS[:1])  # Computed and stored anew.
    assert KEYS[0] in EmbeddingCache(CLIP, tmp_path)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = EmbeddingCache(CLIP, tmp_path / "file")
    cache.add(KEYS[:1], ROWS[:1])
    assert cache[KEYS[0]].equal(ROWS[0])


def test_broken_weights_are_noticed_and_not_kept(tmp_path: Path) -> None:
    cache = EmbeddingCache(CLIP, tmp_path)
    with pytest.raises(DataError, match="letters gives embeddings that are NaN"):
        cache.add(KEYS[:1], ROWS[:1] * torch.nan)
    assert KEYS[0] not in EmbeddingCache(CLIP, tmp_path)


class Mean(nn.Module):
    """The colour of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def encode_image(self, pictures: Tensor) -> Tensor:
        return pictures.mean((1, 2)) * self.weight


def prepare(pictures: Sequence[Image.Image]) -> Tensor:
    rows = [torch.tensor(list(x.resize((2, 2)).tobytes())).view(2, 2, 3) for x in pictures]
    return torch.stack(rows).float()


def test_a_thread_holds_one_picture_in_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[weakref.ref[Image.Image]]] = {}
    most = 0
    real = embeddings.open_picture

    def counted(path: Path) -> Image.Image:
        nonlocal most
        picture = real(path)
        mine = seen.setdefault(threading.get_ident(), [])
        mine.append(weakref.ref(picture))
        most = max(most, sum(alive() is not None for alive in mine))
        return picture

    monkeypatch.setattr(embeddings, "open_picture", counted)
    files = {number: tmp_path / f"{number}.png" for number in range(40)}
    for number, path in files.items():
        Image.new("RGB", (30, 20), (number, 100, 200)).save(path)
    files[40] = tmp_path / "again.png"
    files[40].write_bytes(files[3].read_bytes())
    (tmp_path / "5.png").write_bytes(b"no picture")
    clip, skips = ClipModel("mean", Mean(), None, prepare), Skips(allowed=True)
    found = embed_pictures(clip, files, EmbeddingCache(clip), skips)
    assert most == 1 and list(found) == [x for x in range(41) if x != 5]
    assert found[40].equal(found[3]) and not found[4].equal(found[3])
    (broken,) = skips.found["pictures that do not open"]
    assert "5.png does not open as a picture: cannot identify image file it" in broken
    whole = clip.encode_images([Image.open(files[x]) for x in (3, 7)])
    assert torch.stack([found[3], found[7]]).equal(whole)


def test_a_name_cannot_steer_a_terminal_through_skips(tmp_path: Path) -> None:
    path = tmp_path / "\x1b]0;x\x07\n.png"
    path.write_bytes(b"")
    clip, skips = ClipModel("mean", Mean(), None, prepare), Skips(allowed=True)
    assert embed_pictures(clip, {1: path}, EmbeddingCache(clip), skips) == {}
    assert str(*skips.found.values()).isprintable()
