"""The torchmetrics: any batches, any processes, the same values as their functional twins."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from child_processes import together
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from gegcore.errors import ConfigError, DataError
from gegcore.metrics.torch_metrics import (
    CLIPRecall,
    GroupEmbeddingGap,
    clip_recall,
    group_embedding_gap,
)

IMAGES, CAPTIONS, K = 12, 31, 3


def _world(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, captions, their images' positions, groups."""
    generator = torch.Generator().manual_seed(seed)
    images = F.normalize(torch.randn(IMAGES, 6, generator=generator), dim=-1)
    owner = torch.randint(IMAGES, (CAPTIONS,), generator=generator)
    noise = torch.randn(CAPTIONS, 6, generator=generator)
    text = F.normalize(images[owner] + noise, dim=-1)
    groups = (torch.arange(IMAGES)[:, None] + torch.tensor([1, 4, 7])) % IMAGES
    return images, text, owner, groups


def _expected(seed: int = 0) -> dict[str, Tensor]:
    images, text, owner, groups = _world(seed)
    gaps = group_embedding_gap(text, images[owner], images[groups[owner]])
    return {
        **clip_recall(text, images, owner),
        "GEG-Avg": gaps.average.double().mean(),
        "GEG-Min": gaps.minimum.double().mean(),
    }


@given(st.integers(0, 1000), st.lists(st.integers(0, CAPTIONS), max_size=5))
def test_any_batches_give_the_values_of_the_functional_twins(seed: int, cuts: list[int]) -> None:
    images, text, owner, groups = _world(seed)
    recall, gap = CLIPRecall(images), GroupEmbeddingGap(images, groups)
    edges = [0, *sorted(cuts), CAPTIONS]
    for start, end in zip(edges, edges[1:], strict=False):
        recall.update(text[start:end], owner[start:end])
        gap.update(text[start:end], owner[start:end])
    for name, value in {**recall.compute(), **gap.compute()}.items():
        torch.testing.assert_close(value, _expected(seed)[name], atol=1e-6, rtol=0)


def _one_of_two(folder: Path) -> None:
    images, text, owner, groups = _world()
    recall, gap = CLIPRecall(images), GroupEmbeddingGap(images, groups)
    rank = dist.get_rank()
    mine = slice(0, 20) if rank == 0 else slice(20, CAPTIONS)  # not equally many
    recall.update(text[mine], owner[mine])
    gap.update(text[mine], owner[mine])
    torch.save({**recall.compute(), **gap.compute()}, folder / f"{rank}.pt")


def test_two_processes_give_the_values_of_one(tmp_path: Path) -> None:
    together(_one_of_two, 2, tmp_path)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in _expected().items():
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)


def test_update_waits_for_no_value_on_the_device() -> None:
    """Tensors on "meta" have no values: an operation whose host needs one raises."""
    images, text, owner, groups = _world()
    with pytest.raises(RuntimeError, match="meta"):
        int(owner.to("meta").min())
    for metric in (CLIPRecall(images).to("meta"), GroupEmbeddingGap(images, groups).to("meta")):
        metric.update(text.to("meta"), owner.to("meta"))
        assert metric.captions.device.type == metric.outside.device.type == "meta"


def test_forward_gives_the_batch_and_goes_on_counting() -> None:
    images, text, owner, _ = _world()
    recall = CLIPRecall(images, k=(1,))
    first = recall(text[:9], owner[:9])
    assert first == clip_recall(text[:9], images, owner[:9], k=(1,))
    recall(text[9:], owner[9:])
    torch.testing.assert_close(recall.compute()["R@1"], _expected()["R@1"])
    again = pickle.loads(pickle.dumps(recall))
    assert again.compute() == recall.compute()
    recall.reset()
    recall.update(text[:9], owner[:9])
    assert recall.compute() == first


METRICS = {
    "recall": lambda images, groups: CLIPRecall(images),
    "gap": lambda images, groups: GroupEmbeddingGap(images, groups),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("positions", [1, CAPTIONS - 1])
def test_each_caption_needs_a_position(name: str, positions: int) -> None:
    """One position for all captions must not be spread over them."""
    images, text, owner, groups = _world()
    metric = METRICS[name](images, groups)
    with pytest.raises(DataError, match="31 captions but image positions"):
        metric.update(text, owner[:positions])
    with pytest.raises(DataError, match="cannot retrieve"):
        metric.update(text[:, :4], owner)
    with pytest.raises(DataError, match="cannot retrieve"):
        metric.update(text[0], owner)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("position", [-1, IMAGES])
def test_positions_outside_the_images_are_no_value(name: str, position: int) -> None:
    images, text, owner, groups = _world()
    metric = METRICS[name](images, groups)
    owner[4] = position
    metric.update(text, owner)
    with pytest.raises(DataError, match="1 captions belong to images outside the 12"):
        metric.compute()
    metric.reset()
    metric.update(text[:4], owner[:4])
    assert all(value.isfinite() for value in metric.compute().values())


def test_what_cannot_be_constructed() -> None:
    images, _, _, groups = _world()
    for k in ((0, 1), ()):
        with pytest.raises(ConfigError, match="K >= 1"):
            CLIPRecall(images, k=k)
    for wrong in (groups[:4], groups + IMAGES, groups - IMAGES, groups[:, 0]):
        with pytest.raises(DataError, match="12 images"):
            GroupEmbeddingGap(images, wrong)
