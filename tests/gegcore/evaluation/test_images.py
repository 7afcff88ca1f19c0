"""Ids of images: what counts as the same, what leaves doubt; and the pictures that they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gegcore.errors import DataError
from gegcore.evaluation.images import bare, find_pictures, image_id, matches, open_picture
from gegcore.evaluation.skipped import Skips


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        (42, 42),
        ("42", 42),
        (42.0, 42),
        (" 42 ", 42),
        ("042", "042"),
        ("a.jpg", "a.jpg"),
        ("-1", -1),
        (10**30, str(10**30)),
        (True, None),
        (None, None),
        (4.5, None),
        (float("nan"), None),
        (float("inf"), None),
        ("", None),
        ("\ud800", None),
        ([42], None),
    ],
)
def test_numbers_and_digits_are_the_same_id(written: object, id_: object) -> None:
    assert image_id(written) == id_


@given(st.integers(0, 10**12), st.integers(0, 12))
def test_bare_id_ignores_how_programs_decorate_numbers(number: int, zeros: int) -> None:
    digits = "0" * zeros + str(number)
    for written in (number, digits, f"val/{digits}.jpg", f"COCO_val2014_{digits}.PNG"):
        assert bare(written) == str(number)


def test_bare_id_keeps_names() -> None:
    assert bare("some.dog") == "some.dog"
    assert bare(".jpg") == ".jpg"
    assert bare("dogs/big dog.jpeg") == "big dog"


def test_ids_match_exactly_or_bare() -> None:
    known = {42: 1, "COCO_val2014_000000000043.jpg": 1, "007": 1, 7: 1, "x": 1}
    found = matches([42, 43, "0042", 7, "00007", "y"], known)
    # "0042" has no partner but 42, which is taken; "00007" could be "007" or 7.
    assert found == {42: 42, 43: "COCO_val2014_000000000043.jpg", 7: 7}


def test_two_ids_never_match_one() -> None:
    assert matches(["a/1.jpg", "b/1.jpg"], {1: 1}) == {}
    assert matches(["1.jpg"], {"01": 1, "001": 1}) == {}


def paint(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), 5 if mode in "LP" else None).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "val2014/COCO_val2014_000000000042.jpg",
        "000043.png",
        "44.JPG",
        "dog.park.jpg",
        "a/same.png",
        "b/same.png",
    ):
        paint(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_pictures_are_found_under_the_names_that_are_usual(folder: Path) -> None:
    wanted = [42, 43, 44, "dog.park", "dog.park.jpg", "a/same.png", "b/same.png"]
    found = find_pictures(folder, wanted, {})
    assert [path.relative_to(folder).as_posix() for path in found.values()] == [
        "val2014/COCO_val2014_000000000042.jpg",
        "000043.png",
        "44.JPG",
        "dog.park.jpg",
        "dog.park.jpg",
        "a/same.png",
        "b/same.png",
    ]


def test_file_names_of_the_annotations_come_first(folder: Path) -> None:
    found = find_pictures(folder, [42, 1], {42: "44.JPG", 1: "some/other/000043.png"})
    assert [path.name for path in found.values()] == ["44.JPG", "000043.png"]


def test_images_without_a_picture_or_with_two(folder: Path) -> None:
    with pytest.raises(DataError, match=r"without a picture \(2\): 99, gone.jpg"):
        find_pictures(folder, [42, 99, 100], {100: "gone.jpg"})
    with pytest.raises(DataError, match=r"several pictures \(1\): 'same'"):
        find_pictures(folder, ["same"], {})
    skips = Skips(allowed=True)
    assert list(find_pictures(folder, [42, 99, "same"], {}, skips)) == [42]
    assert [len(items) for items in skips.found.values()] == [1, 1]


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        find_pictures(tmp_path / "none", [42], {})
    with pytest.raises(DataError, match="holds no pictures"):
        find_pictures(tmp_path, [42], {})


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_picture_opens_as_rgb(tmp_path: Path, mode: str) -> None:
    name = "x.jpg" if mode == "CMYK" else "x.png"
    assert np.asarray(open_picture(paint(tmp_path / name, mode))).shape == (6, 8, 3)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header"])
def test_damaged_pictures_are_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404</html>",
            "cut": content[: len(content) // 2],
            "header": content[:20] + b"\0" * 30 + content[50:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"x\.png does not open as a picture"):
        open_picture(path)
