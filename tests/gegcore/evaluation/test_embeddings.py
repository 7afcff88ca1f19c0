"""Embeddings by content: kept, found again, and not believed when damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gegcore.errors import DataError
from gegcore.evaluation.embeddings import EmbeddingCache, content_key

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
