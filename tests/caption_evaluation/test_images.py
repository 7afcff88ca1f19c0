"""Ids of images: what counts as the same, what leaves doubt; and the pictures that they mean."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from caption_evaluation import images
from caption_evaluation.images import bare, find_pictures, image_id, matches
from caption_evaluation.skipped import Skips
from gegcore.errors import DataError


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


@pytest.mark.parametrize(
    ("wanted", "known", "pairs"),
    [
        ("video3/frame1.jpg", "video2/frame1.png", False),
        ("a/frames/1.jpg", "b/frames/1.jpg", False),
        ("video3/frame1.jpg", "video3/frame1", True),
        ("video3/frame1.jpg", "frame1.png", True),
        ("/data/coco/val2014/1.jpg", "val2014/1.jpg", True),
        ("val2014/COCO_val2014_000000000042.jpg", 42, True),
        ("train2014/COCO_train2014_000000000042.jpg", "val2014/42", False),
        ("./a/1.jpg", "a/1", True),
        ("a\\1.png", "b/../a/1.png", True),
        ("cafe\u0301/1.jpg", "caf\u00e9/1.jpg", True),
    ],
)
def test_folders_may_be_missing_but_not_contradict(wanted: str, known: Any, pairs: bool) -> None:
    assert matches([wanted], {known: 1}) == ({wanted: known} if pairs else {})
    assert matches([known], {wanted: 1}) == ({known: wanted} if pairs else {})


def test_folders_tell_images_of_one_name_apart() -> None:
    found = matches(["x/a/1.jpg", "x/b/1.jpg"], {"b/1": 1, "a/1": 1})
    assert found == {"x/a/1.jpg": "a/1", "x/b/1.jpg": "b/1"}
    # "1.jpg" could be either; "a/1.jpg" is nearer to "a/1" than "1.jpg" is.
    assert matches(["1.jpg"], {"a/1": 1, "b/1": 1}) == {}
    assert matches(["1.jpg"], {"a/1": 1, "1": 1}) == {}
    assert matches(["a/1.jpg", "1.jpg"], {"a/1": 1}) == {"a/1.jpg": "a/1"}
    assert matches(["..", "/", "a/"], {"x": 1}) == {}


def test_ids_are_composed() -> None:
    assert image_id("cafe\u0301.png") == "caf\u00e9.png"


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


def look(folder: Path, name: str | None, image: Any = 1) -> str | None:
    """What an image finds, of this name in the annotations; None if nothing."""
    skips = Skips(allowed=True)
    found = find_pictures(folder, [image], {} if name is None else {image: name}, skips)
    return found[image].relative_to(folder).as_posix() if found else None


@pytest.mark.parametrize(
    ("there", "name", "found"),
    [
        ("1.jpg", "beach.jpg", False),  # of the same id
        ("b/1.jpg", "a/1.jpg", False),
        ("a/x.png", "a/x.jpg", False),  # a mask?
        ("other/42.jpg", "COCO_val2014_000000000042.jpg", True),
        ("a/1.jpg", "a\\1.jpg", True),
        ("a/1.jpg", "./a/1.jpg", True),
        ("val2014/x.jpg", "/data/coco/val2014/x.jpg", True),
        ("val2014/x.jpg", "C:\\data\\val2014\\x.jpg", True),
        ("val2014/x.jpg", "/data/coco/train2014/x.jpg", False),
        ("x.jpg", "../images/x.jpg", True),
        ("images/x.jpg", "../images/x.jpg", True),
        ("deep/images/x.jpg", "images/x.jpg", True),
        ("x.JPG", "x.jpg", True),
        ("X.jpg", "x.jpg", False),
        ("x.jfif", "x.jfif", True),
        ("x", "x", True),
        ("x.v2.picture", "sub/x.v2.picture", True),
        ("x.jpg", "x", True),
        ("nfd/cafe\u0301.png", "nfd/caf\u00e9.png", True),
        ("caf\u00e9.png", "cafe\u0301.png", True),
        (".x.jpg", ".x.jpg", False),
        (".x.jpg", "x.jpg", False),
        (".hidden/x.jpg", "x.jpg", False),
        ("a/x.jpg", "x" * 300 + ".jpg", False),
        ("a/x.jpg", "a/x.jpg\0", False),
    ],
)
def test_a_named_file_is_found_and_replaced_by_no_other(
    tmp_path: Path, there: str, name: str, found: bool
) -> None:
    picture = paint(tmp_path / "any.png")
    (tmp_path / there).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / there).write_bytes(picture.read_bytes())
    assert look(tmp_path, name) == (there if found else None)


def test_the_nearest_picture_is_taken(tmp_path: Path) -> None:
    for name in ("1.jpg", "a/1.jpg", "images/a/1.jpg", "b/2.jpg", "c/2.jpg", "x.jpg", "x.JPG"):
        paint(tmp_path / name)
    assert look(tmp_path, "1.jpg") == "1.jpg"
    assert look(tmp_path, "a/1.jpg") == "a/1.jpg"
    assert look(tmp_path, "images/1.jpg") == "1.jpg"
    assert look(tmp_path, "/data/images/a/1.jpg") == "images/a/1.jpg"
    assert look(tmp_path / "images", "images/a/1.jpg") == "a/1.jpg"
    assert look(tmp_path, "2.jpg") is None  # b/2.jpg or c/2.jpg
    assert (look(tmp_path, "x.jpg"), look(tmp_path, "x.JPG")) == ("x.jpg", "x.JPG")


def test_images_of_several_folders_do_not_share_a_picture(tmp_path: Path) -> None:
    paint(tmp_path / "1.jpg")
    with pytest.raises(DataError, match=r"several folders with one picture \(2\): 'a/1', 'b/1'"):
        find_pictures(tmp_path, ["a/1", "b/1"], {})
    assert len(find_pictures(tmp_path, [7, 8], {7: "1.jpg", 8: "./1.jpg"})) == 2


def test_an_id_without_ending_is_a_picture_first(tmp_path: Path) -> None:
    paint(tmp_path / "val" / "7.png")
    (tmp_path / "7").write_text("a label")
    assert look(tmp_path, None, 7) == "val/7.png"
    (tmp_path / "8.odd").write_bytes((tmp_path / "val" / "7.png").read_bytes())
    assert look(tmp_path, None, "8.odd") == "8.odd"


def test_linked_folders_are_walked_and_loops_end(tmp_path: Path) -> None:
    paint(tmp_path / "store" / "val" / "1.png")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for link, target in [
        ("val", "../store/val"),
        ("again", "../store"),
        ("loop", "."),
        ("up", ".."),
        ("self", "self"),
        ("broken", "nowhere"),
    ]:
        (pictures / link).symlink_to(target)
    (tmp_path / "store" / "back").symlink_to(pictures)
    assert look(pictures, None, 1) is not None  # Once: it is one file, whatever leads to it.
    for name in ("val/1.png", "again/val/1.png", "/data/again/val/1.png"):
        found = look(pictures, name)
        assert found and (pictures / found).samefile(tmp_path / "store" / "val" / "1.png")
    paint(pictures / "1.png")  # Another one: the folder decides.
    assert (look(pictures, "val/1.png"), look(pictures, None, 1)) == ("val/1.png", None)


def test_links_to_one_file_are_one_picture(tmp_path: Path) -> None:
    paint(tmp_path / "all" / "1.png")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.png").symlink_to("../all/1.png")
    assert look(tmp_path, None, 1) is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_no_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "2.png")
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "3.png").symlink_to("1.png")
    (tmp_path / "4.png").symlink_to("/dev/zero")
    for image in (1, 3, 4):
        assert look(tmp_path, None, image) is None and look(tmp_path, f"{image}.png", image) is None


def test_finding_opens_nothing_and_looks_at_each_file_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count instead of a clock: many folders with files of one name."""
    for number in range(300):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "image.jpg").touch()
    calls = 0
    real = unicodedata.normalize

    def counted(form: Any, text: str) -> str:
        nonlocal calls
        calls += 1
        return real(form, text)

    monkeypatch.setattr(images.unicodedata, "normalize", counted)
    monkeypatch.setattr(Image, "open", None)
    ids = [f"{number}/image.jpg" for number in range(300)]
    assert len(find_pictures(tmp_path, ids, dict(zip(ids, ids, strict=True)))) == 300
    assert calls < 10 * 300


def test_names_with_control_characters_are_shown_as_escapes(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    skips = Skips(allowed=True)
    find_pictures(tmp_path, [1, 2], {2: "\x1b[31mred\nnext\u202e.png"}, skips)
    assert list(skips.found.values()) == [[r"\x1b[31mred\nnext\u202e.png"]]
