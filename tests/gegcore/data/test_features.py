"""Features on disk: what goes in comes out, stale or damaged ones do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from full_disk import files_end_at, free_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from gegcore.data.dataset import ImageRecord
from gegcore.data.features import FeatureBatch, FeatureStore, InputSizes, write_features
from gegcore.errors import ChecksumError, DataError, StorageError

N, DR, DG = 3, 4, 5


class Pictures:
    """A split of tiny pictures whose pixels all equal 10 * position + shift."""

    name, split = "pictures", "val"

    def __init__(self, count: int, shift: int = 0) -> None:
        self.records = [ImageRecord(1000 + i, (f"picture {i}",)) for i in range(count)]
        self.shift = shift

    def images(self, indices: Sequence[int]) -> np.ndarray:
        value = np.asarray(indices, dtype=np.uint8) * 10 + self.shift
        return np.broadcast_to(value[:, None, None, None], (len(indices), 2, 2, 3))


class Brightness:
    """Every feature is the brightness of the picture; image p has p % N + 1 regions."""

    name = "brightness"

    def __init__(self, digest: str = "1", full: bool = False, relation_labels: int = 12) -> None:
        self.digest, self.full, self.calls = digest, full, 0
        self.relation_labels = relation_labels

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        self.calls += 1
        if self.calls > 1 and self.digest == "fails":
            raise RuntimeError("out of memory")
        value = torch.from_numpy(images[:, 0, 0, 0].astype(np.float32))
        b = len(value)
        mask = torch.arange(N) <= (value // 10 % N)[:, None]
        return FeatureBatch(
            pooled=value[:, None].expand(b, DG),
            attributes=value[:, None].expand(b, 2) / 255 if self.full else None,
            regions=value[:, None, None].expand(b, N, DR),
            boxes=torch.rand(b, N, 4, generator=torch.Generator().manual_seed(0)),
            relations=torch.full((b, N, N), 11) if self.full else None,
            mask=mask,
        )


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store = write_features(Pictures(7), Brightness(full=True), tmp_path / "val", batch=3)
    batch = FeatureStore.open(tmp_path / "val").batch([6, 0, 6])
    assert len(store) == 7 and store.image_ids == list(range(1000, 1007))
    assert batch.pooled.dtype == batch.regions.dtype == batch.boxes.dtype == torch.float32
    assert batch.pooled[:, 0].tolist() == [60, 0, 60] and batch.regions.shape == (3, N, DR)
    assert batch.mask.dtype == torch.bool and batch.mask.sum(1).tolist() == [1, 1, 1]
    assert batch.relations is not None and batch.relations.dtype == torch.int64
    assert batch.attributes is not None
    assert torch.allclose(batch.attributes[0], torch.tensor(60 / 255), atol=1e-3)
    assert store.width("regions") == DR


def test_absent_arrays_stay_absent(tmp_path: Path) -> None:
    batch = write_features(Pictures(2), Brightness(), tmp_path / "val").batch([1])
    assert batch.attributes is None and batch.relations is None
    assert batch.to("cpu").relations is None


def test_sizes_of_the_inputs(tmp_path: Path) -> None:
    write_features(Pictures(2), Brightness(full=True, relation_labels=21), tmp_path / "full")
    assert FeatureStore.open(tmp_path / "full").sizes == InputSizes(DR, DG, 2, 21)
    bare = write_features(Pictures(2), Brightness(), tmp_path / "bare")
    assert bare.sizes == InputSizes(regions=DR, pooled=DG, attributes=0, relations=0)


def test_a_label_beyond_those_announced_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="announces 11 .* label 11") as caught:
        write_features(Pictures(2), Brightness(full=True, relation_labels=11), tmp_path / "val")
    assert "relation_labels" in caught.value.fix
    assert not list(tmp_path.iterdir())


def test_current_features_are_not_computed_again(tmp_path: Path) -> None:
    first = write_features(Pictures(5), Brightness(), tmp_path / "val")
    again = Brightness()
    second = write_features(Pictures(5), again, tmp_path / "val")
    assert again.calls == 0 and first.digest == second.digest


@pytest.mark.parametrize(
    ("pictures", "extractor"),
    [
        (Pictures(6), Brightness()),
        (Pictures(5, shift=1), Brightness()),
        (Pictures(5), Brightness(digest="2")),
    ],
    ids=["other images", "same ids, repainted", "other weights"],
)
def test_stale_features_are_replaced(
    tmp_path: Path, pictures: Pictures, extractor: Brightness
) -> None:
    write_features(Pictures(5), Brightness(), tmp_path / "val")
    store = write_features(pictures, extractor, tmp_path / "val")
    assert extractor.calls == 1 and len(store) == len(pictures.records)
    extractor.calls = 0
    assert write_features(pictures, extractor, tmp_path / "val").digest == store.digest
    assert extractor.calls == 0


def test_a_failure_leaves_the_old_features_and_nothing_else(tmp_path: Path) -> None:
    old = write_features(Pictures(5), Brightness(), tmp_path / "val")
    with pytest.raises(RuntimeError, match="memory"):
        write_features(Pictures(5), Brightness(digest="fails"), tmp_path / "val", batch=2)
    assert [path.name for path in tmp_path.iterdir()] == ["val"]
    assert FeatureStore.open(tmp_path / "val").digest == old.digest


def test_damage_is_named_and_mended(tmp_path: Path) -> None:
    old = write_features(Pictures(5), Brightness(), tmp_path / "val").digest
    path = tmp_path / "val" / "regions.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ChecksumError, match="regions.npy") as caught:
        FeatureStore.open(tmp_path / "val")
    assert "again" in caught.value.fix
    assert write_features(Pictures(5), Brightness(), tmp_path / "val").digest == old


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    write_features(Pictures(2), Brightness(), tmp_path / "val")
    (tmp_path / "val" / "boxes.npy").unlink()
    with pytest.raises(ChecksumError, match="boxes.npy"):
        FeatureStore.open(tmp_path / "val", verify=False)


def test_a_truncated_array_is_refused_unverified(tmp_path: Path) -> None:
    write_features(Pictures(2), Brightness(), tmp_path / "val")
    path = tmp_path / "val" / "regions.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ChecksumError, match="damaged"):
        FeatureStore.open(tmp_path / "val", verify=False)


def test_not_a_feature_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="manifest.json"):
        FeatureStore.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="no manifest of features"):
        FeatureStore.open(tmp_path)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        write_features(Pictures(0), Brightness(), tmp_path / "val")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_outside_the_split_is_refused(tmp_path: Path, index: int) -> None:
    store = write_features(Pictures(5), Brightness(), tmp_path / "val")
    with pytest.raises(DataError, match=r"outside 0\.\.4"):
        store.batch([0, index])


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_select_commutes_with_batch(indices: list[int]) -> None:
    whole = Brightness(full=True)(Pictures(8).images(range(8)))
    chosen = whole.select(indices)
    assert len(chosen) == len(indices)
    assert chosen.pooled[:, 0].tolist() == [10.0 * i for i in indices]
    assert torch.equal(chosen.mask, whole.mask[indices])


def test_a_full_disk_is_an_error_and_the_next_try_makes_the_same(tmp_path: Path) -> None:
    said = r"full/val/boxes\.npy cannot be written: File too large"
    with files_end_at(400), pytest.raises(StorageError, match=said):
        write_features(Pictures(14), Brightness(), tmp_path / "full" / "val", batch=3)
    assert list((tmp_path / "full").iterdir()) == []
    for name in ("full", "whole"):
        write_features(Pictures(14), Brightness(), tmp_path / name / "val", batch=3)
    for path in (tmp_path / "full" / "val").iterdir():
        assert path.read_bytes() == (tmp_path / "whole" / "val" / path.name).read_bytes()


def test_room_is_asked_for_after_the_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes(monkeypatch, 1000)
    extractor, row = Brightness(), 2 * DG + 2 * N * DR + 4 * N * 4 + N
    with pytest.raises(StorageError, match=f"features of val need {14 * row / 1000:.3g} kB in "):
        write_features(Pictures(14), extractor, tmp_path / "val", batch=3)
    assert extractor.calls == 1 and list(tmp_path.iterdir()) == []


class Uneven(Brightness):
    """Another number of regions, no attributes, or a picture too few in the second batch."""

    def __init__(self, what: str) -> None:
        super().__init__(full=True)
        self.what = what

    def __call__(self, images: np.ndarray) -> FeatureBatch:
        batch = super().__call__(images)
        if self.calls == 1:
            return batch
        if self.what == "images":
            return batch.select([0])
        changed = batch.regions[:, :1] if self.what == "regions" else None
        return dataclasses.replace(batch, **{self.what: changed})


@pytest.mark.parametrize("what", ["regions", "attributes", "images"])
def test_batches_of_other_sizes_are_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(DataError, match="other sizes from image 3 on"):
        write_features(Pictures(7), Uneven(what), tmp_path / "val", batch=3)
    assert list(tmp_path.iterdir()) == []
