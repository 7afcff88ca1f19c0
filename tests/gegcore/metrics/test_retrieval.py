"""Ranks are counted: equal to sorting without ties, pessimistic with them, whatever the chunk."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from gegcore.errors import DataError
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups
from gegcore.metrics import retrieval
from gegcore.metrics.distinctiveness import (
    bag_metric,
    bag_ranks,
    caption_gaps,
    gap_metric,
    recall_metric,
)
from gegcore.metrics.judged import judge_scores
from gegcore.metrics.retrieval import count_ranks, recall_at, retrieval_ranks


def _unit(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


@settings(max_examples=50, deadline=None)
@given(
    images=st.integers(1, 40),
    captions=st.integers(0, 60),
    width=st.integers(2, 16),
    chunk=st.integers(1, 70),
    seed=st.integers(0, 2**31),
)
def test_counting_equals_sorting(
    images: int, captions: int, width: int, chunk: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image, text = _unit(generator, images, width), _unit(generator, captions, width)
    index = torch.randint(images, (captions,), generator=generator)
    order = (text.double() @ image.double().T).argsort(dim=1, descending=True)
    expected = (order == index[:, None]).long().argmax(dim=1) if captions else index
    torch.testing.assert_close(retrieval_ranks(text, image, index), expected)
    torch.testing.assert_close(retrieval_ranks(text, image, index, chunk=chunk), expected)


class Products(TorchDispatchMode):
    """Counts the matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.mm.default:
            self.rows.append(len(args[0]))
        return func(*args, **kwargs or {})


def test_as_many_captions_are_compared_at_once_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is what bounds the memory: by default two products of three images fit."""
    generator = torch.Generator().manual_seed(2)
    image, text = _unit(generator, 3, 4), _unit(generator, 5, 4)
    index = torch.tensor([0, 1, 2, 0, 1])
    for elements, chunk, rows in ((7, None, [2, 2, 1]), (1, None, [1] * 5), (1, 3, [3, 2])):
        monkeypatch.setattr(retrieval, "_BLOCK_ELEMENTS", elements)
        with Products() as products:
            retrieval_ranks(text, image, index, chunk)
        assert products.rows == rows


def test_ranks_are_counted_where_the_captions_are() -> None:
    """On `meta`, which like a GPU takes no tensor of another device, and has no values to see."""
    text = torch.ones(5, 4, device="meta")
    ranks = count_ranks(text, torch.ones(3, 4), torch.zeros(5, dtype=torch.long), chunk=2)
    assert ranks.device.type == "meta" and ranks.shape == (5,) and ranks.dtype == torch.int64


def test_hand_computed_ranks() -> None:
    image = torch.eye(3)
    text = torch.tensor([[0.9, 0.4, 0.1], [0.9, 0.4, 0.1], [0.9, 0.4, 0.1]])
    ranks = retrieval_ranks(text, image, torch.tensor([2, 0, 1]))
    assert ranks.tolist() == [2, 0, 1]
    assert recall_at(ranks, 1) == pytest.approx(1 / 3)
    assert recall_at(ranks, 2) == pytest.approx(2 / 3)


def test_ties_count_against_the_caption() -> None:
    image = F.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1]]), dim=-1)
    text = torch.tensor([[1.0, 0], [0.0, 1.0]])
    assert retrieval_ranks(text, image, torch.tensor([0, 2])).tolist() == [1, 0]
    assert retrieval_ranks(text[:1], image, torch.tensor([1])).tolist() == [1]


@pytest.mark.parametrize(
    ("difference", "rank"),
    [
        (-1e-8, 0),  # the other image is farther
        (-1.5e-9, 0),
        (-0.5e-9, 1),  # as far, but for rounding: before the own image
        (-1e-12, 1),
        (0.0, 1),
        (1e-12, 1),
        (1.5e-9, 1),  # nearer
    ],
)
def test_scores_closer_than_rounding_are_equal(difference: float, rank: int) -> None:
    """Whichever of the two images is the caption's own, and with others far away."""
    text = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    near, other = [0.5, 0.0], [0.5 + difference, 0.0]
    far = [[-0.5, 0.0], [0.25, 0.0]]
    image = torch.tensor([near, other, *far], dtype=torch.float64)
    assert retrieval_ranks(text, image, torch.tensor([0])).tolist() == [rank]
    swapped = torch.tensor([*far, other, near], dtype=torch.float64)
    assert retrieval_ranks(text, swapped, torch.tensor([3])).tolist() == [rank]


def test_the_same_picture_twice_ties_whatever_the_rounding() -> None:
    """Copies of a picture, a hair apart as a product in another order leaves them."""
    generator = torch.Generator().manual_seed(5)
    text, image = _unit(generator, 40, 512).double(), _unit(generator, 40, 512).double()
    copies = image * (1 - 4e-16)
    ranks = retrieval_ranks(text, torch.cat([image, copies]), torch.arange(40))
    assert ranks.tolist() == (2 * retrieval_ranks(text, image, torch.arange(40)) + 1).tolist()


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_embeddings_that_say_nothing_come_last(value: float) -> None:
    image = _unit(torch.Generator().manual_seed(0), 5, 4)
    ranks = retrieval_ranks(torch.full((5, 4), value), image, torch.arange(5))
    assert ranks.tolist() == [4] * 5


@pytest.mark.parametrize(
    ("text", "image", "index", "named"),
    [
        ((2, 4), (3, 5), [0, 1], "cannot retrieve"),
        ((2, 4), (0, 4), [0, 1], "cannot retrieve"),
        ((2, 4), (3, 4), [0], "2 captions but image positions"),
        ((2, 4), (3, 4), [0, 3], "outside the 3 images"),
        ((2, 4), (3, 4), [-1, 0], "outside the 3 images"),
    ],
)
def test_shapes_that_do_not_fit(
    text: tuple[int, int], image: tuple[int, int], index: list[int], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        retrieval_ranks(torch.ones(text), torch.ones(image), torch.tensor(index))


def test_gaps_of_several_captions_per_image(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    image, text = _unit(generator, 6, 8), _unit(generator, 10, 8)
    index = torch.randint(6, (10,), generator=generator)
    members = torch.stack([torch.tensor([(i + 1) % 6, (i + 3) % 6]) for i in range(6)])
    groups = SimilarGroups(members, torch.zeros(6, 2))
    whole = caption_gaps(text, image, index, groups)
    bags = bag_ranks(text, image, index, groups)
    monkeypatch.setattr("gegcore.metrics.gaps._NUMBERS", 3 * 2 * 8)  # three captions
    chunked = caption_gaps(text, image, index, groups)
    assert torch.equal(bag_ranks(text, image, index, groups), bags)
    for i in range(10):
        own = group_embedding_gap(text[i], image[index[i]], image[members[index[i]]])
        for got in (whole, chunked):
            torch.testing.assert_close(got.average[i], own.average)
            torch.testing.assert_close(got.minimum[i], own.minimum)
    assert caption_gaps(text[:0], image, index[:0], groups).average.shape == (0,)
    monkeypatch.setattr("gegcore.metrics.gaps._NUMBERS", 1)  # less than one caption
    assert torch.equal(bag_ranks(text, image, index, groups), bags)


@pytest.mark.parametrize(
    ("difference", "rank"), [(-1e-8, 0), (-1.5e-9, 0), (-0.5e-9, 1), (0.0, 1), (1.5e-9, 1)]
)
def test_a_bag_has_the_ties_of_the_split(difference: float, rank: int) -> None:
    text = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    image = torch.tensor([[0.5, 0.0], [0.5 + difference, 0.0], [0.1, 0.0]], dtype=torch.float64)
    groups = SimilarGroups(torch.tensor([[1, 2], [0, 2], [0, 1]]), torch.zeros(3, 2))
    assert bag_ranks(text, image, torch.tensor([0]), groups).tolist() == [rank]
    assert retrieval_ranks(text, image, torch.tensor([0])).tolist() == [rank]


def test_each_metric_has_the_name_of_its_equation() -> None:
    """Fifteen images in a row, captions that say another one: all by two loops."""
    generator = torch.Generator().manual_seed(8)
    image, text = _unit(generator, 15, 3), _unit(generator, 15, 3)
    members = [[(i + 1) % 15, (i + 4) % 15, (i + 7) % 15] for i in range(15)]
    groups = SimilarGroups(torch.tensor(members), torch.zeros(15, 3))
    given: Any = SimpleNamespace(
        text=text, images=image, index=torch.arange(15), seen=SimpleNamespace(groups=groups)
    )
    similarity = (text.double() @ image.double().T).tolist()
    rank, bag, average, minimum = [], [], [], []
    for own, row in enumerate(similarity):
        others = [row[other] for other in members[own]]
        rank.append(sum(value > row[own] for value in row))
        bag.append(sum(value > row[own] for value in others))
        average.append(row[own] - sum(others) / 3)
        minimum.append(row[own] - max(others))
    gaps, recalls, bags = gap_metric(given), recall_metric(given), bag_metric(given)
    assert gaps.per_caption["GEG-Avg"].tolist() == pytest.approx(average, abs=1e-5)
    assert gaps.per_caption["GEG-Min"].tolist() == pytest.approx(minimum, abs=1e-5)
    assert recalls.per_caption["rank"].tolist() == rank
    found = {
        name: statistic.value()
        for scores in (gaps, recalls, bags)
        for name, statistic in scores.statistics.items()
    }
    assert found == pytest.approx(
        {
            "GEG-Avg": sum(average) / 15,
            "GEG-Min": sum(minimum) / 15,
            **{f"R@{k}": 100 * sum(value < k for value in rank) / 15 for k in (1, 5, 10)},
            "bag R@1": 100 * sum(value == 0 for value in bag) / 15,
        },
        abs=1e-5,
    )
    assert len({round(value, 4) for value in found.values()}) == 6
    judge: Any = SimpleNamespace(encode_texts=lambda captions: text, name="judge", digest="1f")
    judged = judge_scores("J", judge, ["said"] * 15, image, torch.arange(15), groups)
    expected = {f"{name} J": value for name, value in found.items() if name != "bag R@1"}
    assert {name: each.value() for name, each in judged.statistics.items()} == expected


def test_groups_of_another_split_are_refused() -> None:
    groups = SimilarGroups(torch.zeros(4, 1, dtype=torch.long), torch.zeros(4, 1))
    with pytest.raises(DataError, match="groups of 4 images, embeddings of 6"):
        caption_gaps(torch.ones(1, 3), torch.ones(6, 3), torch.zeros(1).long(), groups)


def test_in_its_bag_a_caption_wins_exactly_if_its_smallest_gap_is_positive() -> None:
    generator = torch.Generator().manual_seed(3)
    images = F.normalize(torch.randn(30, 4, generator=generator), dim=-1)
    text = F.normalize(torch.randn(60, 4, generator=generator), dim=-1)
    owner = torch.arange(60) % 30
    index = torch.stack([torch.randperm(29, generator=generator)[:5] for _ in range(30)])
    index = index + (index >= torch.arange(30)[:, None])  # never the image itself
    groups = SimilarGroups(index, torch.zeros(30, 5))
    ranks = bag_ranks(text, images, owner, groups)
    gaps = caption_gaps(text, images, owner, groups).minimum
    assert torch.equal(ranks == 0, gaps > 0) and 0 < int((ranks == 0).sum()) < 60
    scores = text @ images.T
    for m, image in enumerate(owner.tolist()):
        own = scores[m, image]
        assert ranks[m] == sum(bool(scores[m, other] > own) for other in index[image])
    # All images alike: the caption ranks last.
    same = images[:1].expand(30, -1)
    assert bag_ranks(text, same, owner, groups).tolist() == [5] * 60
