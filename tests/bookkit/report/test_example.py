"""The front page's example is picked by its rule, and never stutters."""

from __future__ import annotations

import pandas as pd
import pytest

from bookkit.report.example import clean, most_telling
from bookkit.report.frontpage import reward_of
from gegcore.profiles import load_profile

GOOD = "a red dog behind a small boat"
IMAGES = ["a", "b", "c", "d"]


def captions(said: list[str], **columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"caption": said, "rank": 0, **columns}, index=IMAGES)


@pytest.mark.parametrize(
    ("caption", "is_clean"),
    [
        (GOOD, True),
        ("a dog and a cat and a cup", True),  # short words may come again
        ("a boat behind a boat", False),
        ("a couple of boats on the", False),
        ("", False),
    ],
)
def test_a_stutter_and_a_caption_that_breaks_off_are_not_clean(
    caption: str, is_clean: bool
) -> None:
    assert clean(caption) is is_clean


def test_of_those_that_prove_the_point_the_most_similar_group_is_taken() -> None:
    alike = pd.Series([0.9, 0.8, 0.7, 0.6], IMAGES)
    before, after = captions([GOOD] * 4, rank=[3, 3, 3, 3]), captions([GOOD] * 4)
    assert most_telling(before, after, alike) == "a"
    assert most_telling(before, after, alike[::-1]) == "a"  # by image, not by place
    assert most_telling(before.assign(rank=[0, 3, 3, 3]), after, alike) == "b"
    assert most_telling(before, after.assign(rank=[0, 1, 0, 0]), -alike) == "d"
    lied = after.assign(facts=3, **{"true facts": [2, 3, 3, 3]})
    assert most_telling(before, lied, alike) == "b"
    judged = after.assign(**{"rank VSE++": [1, 2, 0, 0], "rank other": [0, 0, 1, 0]})
    assert most_telling(before, judged, alike) == "d"


def test_a_stutter_is_the_last_to_be_taken() -> None:
    after = captions(["boat near boat", GOOD, "boat near boat", "boat near boat"])
    before = captions([GOOD] * 4, rank=[9, 0, 9, 9])
    alike = pd.Series([0.9, 0.1, 0.8, 0.7], IMAGES)
    assert most_telling(before, after.assign(rank=[0, 5, 0, 0]), alike) == "b"


def test_the_reward_is_said_whatever_its_terms_are() -> None:
    quick = load_profile("quick")
    assert reward_of(quick, "transformer") == "0.1 \N{MIDDLE DOT} CIDEr + 1 \N{MIDDLE DOT} GEG-Avg"
    rewards = {"cider": 0.5, "geg_min": 2.0, "similarity": 1.0}
    other = quick.changed("transformer", "scst_geg", rewards=rewards)
    said = reward_of(other, "transformer")
    assert said.count(" + ") == 2 and "2 \N{MIDDLE DOT} GEG-Min" in said
