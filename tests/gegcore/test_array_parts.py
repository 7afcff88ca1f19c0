"""Arrays in parts: the same as in one piece, made once, by one or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gegcore.array_folder import append_rows
from gegcore.array_parts import ArrayParts, write_parts
from gegcore.errors import ChecksumError, DataError

NAMES = ("x", "y")


class Filler:
    """Row i is i in x and -i, -i in y; counts what it makes, and may break down."""

    def __init__(self, breaks_at: int = -1) -> None:
        self.made: list[int] = []
        self.breaks_at = breaks_at

    def __call__(self, folder: Path, start: int, stop: int) -> None:
        if start == self.breaks_at:
            raise RuntimeError("out of memory")
        self.made.append(start)
        rows = np.arange(start, stop)
        append_rows(folder / "x.npy", rows, len(rows))
        append_rows(folder / "y.npy", -np.stack([rows, rows], 1), len(rows))


def write(folder: Path, total: int, fill: Filler, size: int = 4, **more: object) -> ArrayParts:
    key = {"a": 1, **more.pop("key", {})}  # type: ignore[dict-item]
    made = write_parts(folder, NAMES, "numbers", key, total, fill, size=size, **more)  # type: ignore[arg-type]
    return made or ArrayParts.open(folder, NAMES, "numbers")


@settings(max_examples=25, deadline=None)
@given(
    total=st.integers(1, 23),
    size=st.integers(1, 9),
    index=st.lists(st.integers(0, 22), max_size=9),
)
def test_any_division_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, total: int, size: int, index: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("parts") / "all"
    made = write(folder, total, Filler(), size)
    wanted = np.array([i for i in index if i < total], dtype=np.int64)
    for parts in (made, ArrayParts.open(folder, NAMES, "numbers")):
        assert len(parts) == total and parts.shape("y") == (2,)
        assert parts.rows("x", wanted).tolist() == wanted.tolist()
        assert parts.rows("y", wanted).tolist() == [[-i, -i] for i in wanted]
        assert parts.whole("x").tolist() == list(range(total)) and parts.key == {"a": 1}
        assert parts.digest == made.digest


def test_what_is_interrupted_goes_on(tmp_path: Path) -> None:
    first = Filler(breaks_at=8)
    with pytest.raises(RuntimeError):
        write(tmp_path / "all", 10, first)
    with pytest.raises(ChecksumError, match="only parts are there") as caught:
        ArrayParts.open(tmp_path / "all", NAMES, "numbers")
    assert "again" in caught.value.fix
    again = Filler()
    write(tmp_path / "all", 10, again)
    assert (first.made, again.made) == ([0, 4], [8])


def test_a_damaged_part_alone_is_made_again(tmp_path: Path) -> None:
    digest = write(tmp_path / "all", 10, Filler()).digest
    path = tmp_path / "all" / "00000004" / "x.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    again = Filler()
    assert write(tmp_path / "all", 10, again).digest == digest and again.made == [4]


def test_processes_share_the_parts(tmp_path: Path) -> None:
    fillers = [Filler(), Filler()]
    for number in (1, 0):
        key = {"a": 1}
        share = (number, 2)
        assert (
            write_parts(tmp_path / "all", NAMES, "numbers", key, 10, fillers[number], share, 4)
            is None
        )
    assert [filler.made for filler in fillers] == [[0, 8], [4]]
    assert ArrayParts.open(tmp_path / "all", NAMES, "numbers").whole("x").tolist() == [*range(10)]


@pytest.mark.parametrize(("before", "now"), [(10, 3), (3, 10), (18, 10), (10, 18)])
def test_other_numbers_of_rows_leave_nothing_behind(tmp_path: Path, before: int, now: int) -> None:
    write(tmp_path / "all", before, Filler(), key={"b": before})
    made = write(tmp_path / "all", now, Filler(), key={"b": now})
    assert len(made) == len(ArrayParts.open(tmp_path / "all", NAMES, "numbers")) == now


def test_parts_of_something_else_are_no_parts(tmp_path: Path) -> None:
    write(tmp_path / "all", 10, Filler())
    write(tmp_path / "other", 10, Filler(), key={"a": 2})
    (tmp_path / "all" / "00000008").rename(tmp_path / "gone")
    (tmp_path / "other" / "00000008").rename(tmp_path / "all" / "00000008")
    with pytest.raises(ChecksumError, match="parts of others"):
        ArrayParts.open(tmp_path / "all", NAMES, "numbers")
    with pytest.raises(DataError):
        ArrayParts.open(tmp_path / "nothing", NAMES, "numbers")


def test_what_others_are_writing_survives_the_clearing(tmp_path: Path) -> None:
    """One process removes what is stale while another already makes its part."""
    write(tmp_path / "all", 3, Filler(), key={"b": 1})
    other = Filler()
    arguments: tuple[Any, ...] = (NAMES, "numbers", {"a": 1}, 10)
    write_parts(tmp_path / "all", *arguments, other, share=(1, 2), size=4)
    write_parts(tmp_path / "all", *arguments, Filler(), share=(0, 2), size=4)
    assert other.made == [4]
    assert ArrayParts.open(tmp_path / "all", NAMES, "numbers").whole("x").tolist() == [*range(10)]
