"""Similar groups against brute force, ties and bad input included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from gegcore import groups
from gegcore.array_folder import ArrayFolder
from gegcore.code_digest import code_digest
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ChecksumError, ConfigError, DataError
from gegcore.groups import SimilarGroups, groups_of, similar_groups


def brute_force(
    image: torch.Tensor, caption: torch.Tensor, owner: torch.Tensor, k: int
) -> tuple[list[list[int]], list[list[float]]]:
    """Eq. 2 by two loops: the best caption of every other image, best images first."""
    index, score = [], []
    for target in range(len(image)):
        best: dict[int, float] = {}
        for j in range(len(caption)):
            other = int(owner[j])
            if other != target:
                value = float(image[target] @ caption[j])
                best[other] = max(best.get(other, -torch.inf), value)
        ranked = sorted(best, key=lambda other: (-best[other], other))[:k]
        index.append(ranked)
        score.append([best[other] for other in ranked])
    return index, score


@st.composite
def corpora(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Small integer embeddings: exact arithmetic and many ties; 1 to 4 captions per image."""
    images = draw(st.integers(2, 9))
    counts = draw(st.lists(st.integers(1, 4), min_size=images, max_size=images))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(images), counts))
    levels = draw(st.sampled_from([1, 2, 50]))
    image = rng.integers(-levels, levels + 1, (images, 3)).astype(np.float32)
    caption = rng.integers(-levels, levels + 1, (len(owner), 3)).astype(np.float32)
    k = draw(st.integers(1, images - 1))
    return torch.from_numpy(image), torch.from_numpy(caption), torch.from_numpy(owner), k


@settings(deadline=None, max_examples=50)
@given(corpora())
def test_equals_brute_force(
    corpus: tuple[torch.Tensor, torch.Tensor, torch.Tensor, int],
) -> None:
    image, caption, owner, k = corpus
    found = similar_groups(image, caption, owner, k)
    index, score = brute_force(image, caption, owner, k)
    assert found.index.tolist() == index
    assert found.score.tolist() == score
    assert found.index.dtype == torch.int64 and found.score.dtype == torch.float32


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(-9, 9, (40, 6), generator=generator).float()
    caption = torch.randint(-9, 9, (200, 6), generator=generator).float()
    owner = torch.arange(200) % 40
    whole = similar_groups(image, caption, owner, 5)
    block, rows = groups._group_block, []

    def watched(similarity: torch.Tensor, *rest: Any) -> Any:
        rows.append(len(similarity))
        return block(similarity, *rest)

    monkeypatch.setattr(groups, "_group_block", watched)
    for elements, expected in ((7 * 200 + 199, [7, 7, 7, 7, 7, 5]), (199, [1] * 40)):
        monkeypatch.setattr(groups, "_BLOCK_ELEMENTS", elements)
        rows.clear()
        blocked = similar_groups(image, caption, owner, 5)
        assert torch.equal(whole.index, blocked.index)
        assert torch.equal(whole.score, blocked.score)
        assert rows == expected  # as many as fit, which bounds the memory


@pytest.mark.parametrize("count", [7, 60, 1500])
def test_of_equal_scores_the_lower_image_comes_first(count: int) -> None:
    """Many more captions tie than N' are looked at.

    The tensors differ in whose caption is whose only. Whichever N' captions are looked at first,
    the lowest images are not among them both where captions are in order and where they are
    reversed: so this passes by no luck.
    """
    image, caption = torch.ones(count, 1), torch.ones(count, 1)
    wanted = [[other for other in range(3) if other != target][:2] for target in range(count)]
    for owner in (torch.arange(count), torch.arange(count).flip(0)):
        found = similar_groups(image, caption, owner, 2)
        assert found.index.tolist() == wanted
        assert found.score.tolist() == [[1.0, 1.0]] * count


@pytest.mark.parametrize("backwards", [False, True])
def test_ties_at_the_edge_only(backwards: bool) -> None:
    """The last place is tied in the first image's row, the first two are not; in others none is."""
    count, k = 40, 3
    similarity = 2.0 ** -torch.arange(count, dtype=torch.float32).expand(count, -1).clone()
    similarity[0] = 0.25
    similarity[0, [0, 30, 20]] = torch.tensor([1.0, 0.75, 0.5])
    owner = torch.arange(count)
    if backwards:
        owner, similarity = owner.flip(0), similarity.flip(1)
    found = similar_groups(similarity, torch.eye(count), owner, k)
    assert found.index[0].tolist() == [30, 20, 1]
    assert found.score[0].tolist() == [0.75, 0.5, 0.25]
    assert found.index[1].tolist() == [0, 2, 3]
    assert found.index[2].tolist() == [0, 1, 3]
    assert found.score[2].tolist() == [1.0, 0.5, 0.125]


def test_an_image_with_a_thousand_captions_does_not_crowd_out_the_others() -> None:
    """The nearest captions all belong to one other image; K distinct images are found anyway."""
    image = torch.eye(4)
    caption = torch.cat([torch.eye(4), torch.eye(4)[:1].expand(1000, 4)])
    owner = torch.cat([torch.arange(4), torch.full((1000,), 1)])
    found = similar_groups(image, caption, owner, 3)
    assert found.index[0].tolist() == [1, 2, 3]
    assert all(row not in found.index[row].tolist() for row in range(4))


def test_k_must_be_smaller_than_the_split() -> None:
    image, owner = torch.eye(3), torch.arange(3)
    with pytest.raises(ConfigError, match=r"K = 3 .* split has 3") as error:
        similar_groups(image, image, owner, 3)
    assert "K <= 2" in error.value.fix
    with pytest.raises(ConfigError, match="K = 0"):
        similar_groups(image, image, owner, 0)


def test_captions_must_match_the_images() -> None:
    image = torch.eye(3)
    with pytest.raises(DataError, match="position 2 has no caption"):
        similar_groups(image, image, torch.tensor([0, 1, 1]), 1)
    with pytest.raises(DataError, match="outside the split"):
        similar_groups(image, image, torch.tensor([0, 1, 3]), 1)
    with pytest.raises(DataError, match="3 captions but 2"):
        similar_groups(image, image, torch.tensor([0, 1]), 1)


def test_saved_groups_come_back_and_damage_is_noticed(tmp_path: Path) -> None:
    key = {"clip": "scenes-clip", "clip_digest": "aa", "captions_digest": "bb"}
    found = similar_groups(torch.eye(4), torch.eye(4), torch.arange(4), 2, key)
    found.save(tmp_path)
    again = SimilarGroups.load(tmp_path)
    assert torch.equal(again.index, found.index) and torch.equal(again.score, found.score)
    assert again.key == key and again.k == 2
    content = bytearray((tmp_path / "index.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "index.npy").write_bytes(content)
    with pytest.raises(ChecksumError, match=r"index\.npy"):
        SimilarGroups.load(tmp_path)


def test_a_half_written_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        SimilarGroups.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="no manifest of similar groups"):
        SimilarGroups.load(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_embeddings_that_are_not_finite_are_named(value: float, dtype: torch.dtype) -> None:
    image, caption, owner = torch.eye(4, dtype=dtype), torch.eye(4, dtype=dtype), torch.arange(4)
    for what, rows, position in (("image", image, 2), ("caption", caption, 3)):
        rows[position, 1] = value
        with pytest.raises(DataError, match=f"{what} at position {position} holds NaN or inf"):
            similar_groups(image, caption, owner, 2)
        rows[position, 1] = 0
    assert similar_groups(image, caption, owner, 2).k == 2


def test_groups_of_a_table_are_stored_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made once; again where the embeddings, the code or the files are others."""
    emb = normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    table = EmbeddingTable(emb, emb.flip(0), torch.arange(6), {"clip": "x", "code": "1"})
    found = groups_of(table, 2, tmp_path / "a")
    expected = similar_groups(emb, emb.flip(0), torch.arange(6), 2)
    assert torch.equal(found.index, expected.index) and torch.equal(found.score, expected.score)
    assert found.key == {**table.key, "groups_code": code_digest("gegcore.groups")}
    assert found.digest == ArrayFolder.open(tmp_path / "a", (), "groups").digest != ""
    stamp = (tmp_path / "a" / "index.npy").stat().st_mtime_ns
    again = groups_of(table, 2, tmp_path / "a")
    assert (tmp_path / "a" / "index.npy").stat().st_mtime_ns == stamp
    assert again.digest == found.digest and again.key == found.key
    assert SimilarGroups.load(tmp_path / "a").digest == found.digest
    other = groups_of(replace(table, key={"clip": "y"}), 2, tmp_path / "a")
    assert other.key["clip"] == "y" and (tmp_path / "a" / "index.npy").stat().st_mtime_ns > stamp
    monkeypatch.setattr("gegcore.groups.code_digest", lambda *_: "other")
    other = groups_of(replace(table, key={"clip": "y"}), 2, tmp_path / "a")
    assert other.key == {"clip": "y", "groups_code": "other"}
