"""Grids: the network's own map, computed once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from squares import Corpus
from torch import Tensor

from gegcore.errors import DataError
from photographs.grids import Grids, pixels_digest
from photographs.imagenet import load_network

NETWORK = "efficientnet-lite0"


def some_pictures(count: int = 5, side: int = 64) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


class Counting(Grids):
    """Counts the pictures that go through the network."""

    computed = 0

    def _compute(self, images: np.ndarray) -> Tensor:
        self.computed += len(images)
        return super()._compute(images)


def test_they_are_timm_s_map_after_its_own_preprocessing() -> None:
    pictures = some_pictures(2)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    expected = load_network(NETWORK, fold=False).forward_features((x - 0.5) / 0.5)
    found = Grids(NETWORK)(pictures)
    assert found.shape == (2, 1280, 2, 2) and found.dtype == torch.float16
    assert (found.float() - expected).abs().max() < 0.01 * expected.abs().max()


def test_what_is_kept_is_not_computed_again(tmp_path: Path) -> None:
    pictures, plain = some_pictures(), Grids(NETWORK)(some_pictures())
    first, second = Counting(NETWORK, tmp_path), Counting(NETWORK, tmp_path)
    assert torch.equal(first(pictures[[0, 2, 2]]), plain[[0, 2, 2]])
    assert first.computed == 2
    assert torch.equal(second(pictures), plain) and second.computed == 3
    assert torch.equal(first(pictures[::-1]), plain.flip(0)) and first.computed == 2


def test_half_a_record_at_the_end_is_written_over(tmp_path: Path) -> None:
    pictures = some_pictures()
    before = Counting(NETWORK, tmp_path)(pictures)
    (file,) = tmp_path.glob("*.records")
    whole = file.read_bytes()
    file.write_bytes(whole[: -len(whole) // 5 - 7])
    again = Counting(NETWORK, tmp_path)
    assert torch.equal(again(pictures), before) and again.computed == 2
    assert file.read_bytes() == whole
    assert torch.equal(Counting(NETWORK, tmp_path)(pictures), before)


def test_a_view_reads_a_split_in_its_order(corpus: Corpus, tmp_path: Path) -> None:
    data = corpus.data().open("train", tmp_path)
    grids = Grids(NETWORK, tmp_path / "grids")
    view = grids.of(data)
    assert len(view) == 24 and torch.equal(
        torch.cat(list(view.parts())), grids(data.images(range(24)))
    )
    assert view.shas == [pixels_digest(picture) for picture in data.images(range(24))]
    assert torch.equal(view.only([5, 3])[[1]], view[[3]])


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 64, 64, 3), np.float32), np.zeros((64, 64, 3), np.uint8), some_pictures(1, 60)],
    ids=["floats", "one picture", "not a multiple of 32"],
)
def test_bad_pictures_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="images"):
        Grids(NETWORK)(images)


def test_pictures_of_two_sizes_do_not_mix(tmp_path: Path) -> None:
    grids = Grids(NETWORK, tmp_path)
    small, large = some_pictures(2), some_pictures(3, 96)
    for pictures in (small, large, small, large):
        assert torch.equal(grids(pictures), Grids(NETWORK)(pictures))
    assert len(list(tmp_path.glob("*.records"))) == 2
