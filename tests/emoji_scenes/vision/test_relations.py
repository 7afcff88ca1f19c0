"""Labels between regions: cases by hand, and a slow reading of the paper's definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from gegcore.data.relations import RELATIONS, spatial_relations

SIZE = (100, 200)  # height, width
Box = tuple[float, float, float, float]


def _labels(*boxes: Box, size: tuple[int, int] = SIZE) -> torch.Tensor:
    mask = torch.ones(1, len(boxes), dtype=torch.bool)
    return spatial_relations(torch.tensor([boxes], dtype=torch.float32), mask, size)[0]


def _between(first: Box, second: Box) -> tuple[str, str]:
    """How the second stands to the first, and the first to the second."""
    labels = _labels(first, second)
    return RELATIONS[int(labels[0, 1])], RELATIONS[int(labels[1, 0])]


def _slow(first: Box, second: Box, size: tuple[int, int]) -> int:
    """The definition, pair by pair, from Sec. 3.2 of the paper."""

    def includes(a: Box, b: Box) -> bool:
        return a != b and a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3]

    if includes(first, second):
        return 1
    if includes(second, first):
        return 2
    if float(box_iou(torch.tensor([first]).double(), torch.tensor([second]).double())) >= 0.5:
        return 3
    x = (second[0] + second[2] - first[0] - first[2]) / 2
    y = (first[1] + first[3] - second[1] - second[3]) / 2
    if x == y == 0:
        return 3
    if math.hypot(x, y) >= 0.5 * math.hypot(*size):
        return 0
    degrees = math.degrees(math.atan2(y, x)) % 360 or 360
    return math.ceil(round(degrees / 45, 9)) + 3


def test_inside_and_cover() -> None:
    assert _between((0, 0, 50, 50), (10, 10, 20, 20)) == ("inside", "cover")


def test_a_box_at_the_edge_lies_inside_the_whole_picture() -> None:
    assert _between((0, 0, 200, 100), (150, 0, 200, 40)) == ("inside", "cover")


def test_half_of_the_union_is_an_overlap() -> None:
    assert _between((0, 0, 30, 10), (10, 0, 40, 10)) == ("overlap", "overlap")
    assert _between((0, 0, 30, 10), (11, 0, 41, 10)) == ("right, below", "left, above")


def test_equal_boxes_overlap() -> None:
    assert _between((0, 0, 30, 10), (0, 0, 30, 10)) == ("overlap", "overlap")


def test_a_cross_has_no_direction() -> None:
    assert _between((0, 40, 100, 60), (40, 0, 60, 100)) == ("overlap", "overlap")


@pytest.mark.parametrize(
    ("degrees", "seen", "back"),
    [
        (20, "right, above", "left, below"),
        (45, "right, above", "left, below"),
        (70, "above, right", "below, left"),
        (90, "above, right", "below, left"),
        (110, "above, left", "below, right"),
        (135, "above, left", "below, right"),
        (160, "left, above", "right, below"),
        (180, "left, above", "right, below"),
    ],
)
def test_directions_are_seen_from_the_subject(degrees: int, seen: str, back: str) -> None:
    """Angles as in mathematics: from the right, counter-clockwise; in pictures y grows down."""
    x, y = 30 * math.cos(math.radians(degrees)), -30 * math.sin(math.radians(degrees))
    if degrees in (45, 135):
        x, y = math.copysign(30, x), math.copysign(30, y)
    if degrees in (90, 180):
        x, y = float(round(x)), float(round(y))
    first, second = (98, 48, 102, 52), (98 + x, 48 + y, 102 + x, 52 + y)
    assert _between(first, second) == (seen, back)


def test_far_regions_have_no_edge() -> None:
    limit = 0.5 * math.hypot(*SIZE)
    near, far = limit - 0.5, limit + 0.5
    assert _between((0, 0, 4, 4), (near, 0, near + 4, 4))[0] == "right, below"
    assert _between((0, 0, 4, 4), (far, 0, far + 4, 4)) == ("no edge", "no edge")


def test_the_diagonal_is_that_of_the_picture() -> None:
    boxes = (0.0, 0.0, 4.0, 4.0), (60.0, 0.0, 64.0, 4.0)
    assert _labels(*boxes, size=(100, 200))[0, 1] and not _labels(*boxes, size=(80, 80))[0, 1]


corner = st.integers(0, 60)
side = st.integers(1, 40)
box = st.tuples(corner, corner, side, side).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)


@settings(deadline=None, max_examples=200)
@given(st.lists(box, min_size=1, max_size=6))
def test_equals_the_definition(boxes: list[Box]) -> None:
    labels = _labels(*boxes, size=(100, 100))
    for i, first in enumerate(boxes):
        for j, second in enumerate(boxes):
            expected = 0 if i == j else _slow(first, second, (100, 100))
            assert int(labels[i, j]) == expected, (first, second)


@settings(deadline=None, max_examples=100)
@given(st.lists(box, min_size=2, max_size=6))
def test_the_way_back_is_the_opposite(boxes: list[Box]) -> None:
    opposite = torch.tensor([0, 2, 1, 3, 8, 9, 10, 11, 4, 5, 6, 7])
    labels = _labels(*boxes, size=(100, 100))
    assert torch.equal(labels.T, opposite[labels])


@settings(deadline=None, max_examples=50)
@given(st.lists(box, min_size=3, max_size=6), st.integers(1, 3))
def test_padding_has_no_edges_and_changes_none(boxes: list[Box], real: int) -> None:
    table = torch.tensor([boxes, boxes[::-1]])
    mask = torch.arange(len(boxes)).expand(2, -1) < real
    labels = spatial_relations(table, mask, SIZE)
    assert labels.shape == (2, len(boxes), len(boxes)) and labels.dtype == torch.int64
    assert not labels[:, real:].any() and not labels[:, :, real:].any()
    cut = spatial_relations(table[:, :real], mask[:, :real], SIZE)
    assert torch.equal(labels[:, :real, :real], cut)
    assert not labels.diagonal(dim1=1, dim2=2).any()


def test_every_label_has_a_name() -> None:
    assert len(RELATIONS) == len(set(RELATIONS)) == 12
