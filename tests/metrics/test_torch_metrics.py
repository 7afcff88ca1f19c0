"""The torchmetrics: any batches, any processes, the same values as their functional twins."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
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


def _one_of_two(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    images, text, owner, groups = _world()
    recall, gap = CLIPRecall(images), GroupEmbeddingGap(images, groups)
    mine = slice(0, 20) if rank == 0 else slice(20, CAPTIONS)  # not equally many
    recall.update(text[mine], owner[mine])
    gap.update(text[mine], owner[mine])
    torch.save({**recall.compute(), **gap.compute()}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_values_of_one(tmp_path: Path) -> None:
    mp.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, value in _expected().items():
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)


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


def test_what_does_not_fit() -> None:
    images, text, owner, groups = _world()
    with pytest.raises(ConfigError, match="K >= 1"):
        CLIPRecall(images, k=(0, 1))
    with pytest.raises(DataError, match="12 images"):
        GroupEmbeddingGap(images[:4], groups)
    with pytest.raises(DataError, match="positions"):
        CLIPRecall(images).update(text, owner[:4])
