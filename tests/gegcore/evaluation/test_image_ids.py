"""Ids of images: what counts as the same, and what leaves doubt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gegcore.evaluation.image_ids import bare, image_id, matches


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
