"""CIDErBtw and DisWordRate against pycocoevalcap and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.cider.cider import Cider

from gegcore.errors import DataError
from gegcore.metrics.group_words import cider_between, distinctive_words, group_word_scores
from gegcore.metrics.tokenized import Tokenized

GIVEN = Tokenized(
    captions=["a red car", "a car on a road", "", "a dog by a tree"],
    references=[
        ["a red car on a road", "red auto"],
        ["a blue car on a road", "a car"],
        ["a dog", "a brown dog by a tree"],
        ["a white dog in a park", "a dog under a tree"],
    ],
)
MEMBERS = torch.tensor([[1, 2], [0, 3], [3, 1], [2, 0]])


def upstream(given: Tokenized, members: torch.Tensor) -> np.ndarray:
    """pycocoevalcap's CIDEr of each caption with the references of one similar image at a time.

    Its document frequencies come from the references that it is given: in every round these are
    all images' references, in another order.
    """
    rounds = []
    for column in members.T.tolist():
        order = list(column)
        assert sorted(order) == list(range(len(order))), "every image's references once"
        truth = {row: given.references[image] for row, image in enumerate(order)}
        said = {row: [caption] for row, caption in enumerate(given.captions)}
        rounds.append(Cider().compute_score(truth, said)[1])
    return np.mean(rounds, axis=0)


def test_cider_between_is_cider_with_the_references_of_others() -> None:
    members = torch.tensor([[1, 2], [0, 3], [3, 1], [2, 0]])
    found = cider_between(GIVEN, members)
    np.testing.assert_allclose(found, upstream(GIVEN, members), atol=1e-5)
    assert found[2] == 0.0 < found[1]


@given(
    st.lists(
        st.lists(
            st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8).map(" ".join),
            min_size=2,
            max_size=4,
        ),
        min_size=3,
        max_size=6,
    ),
    st.integers(1, 2),
)
def test_any_captions_like_upstream(texts: list[list[str]], shift: int) -> None:
    given = Tokenized([own[0] for own in texts], [own[1:] for own in texts])
    members = (torch.arange(len(texts))[:, None] + torch.tensor([1, shift])) % len(texts)
    np.testing.assert_allclose(cider_between(given, members), upstream(given, members), atol=1e-4)


def test_distinctive_words_by_hand() -> None:
    said, total = distinctive_words(GIVEN, MEMBERS)
    # 7 against 8 and 9: red, auto; says red. 8 against 7 and 10: blue; says none.
    # 9 against 10 and 8: brown, by; says nothing. 10 against 9 and 7: white, in, park, under.
    assert total.tolist() == [2, 1, 2, 4]
    assert said.tolist() == [1, 0, 0, 0]
    scores = group_word_scores(GIVEN, MEMBERS)
    assert scores.statistics["DisWordRate"].value() == pytest.approx(100 / 9)
    between = 100 * cider_between(GIVEN, MEMBERS)
    assert scores.statistics["CIDErBtw"].value() == pytest.approx(between.mean())


def test_groups_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="4 captions"):
        group_word_scores(GIVEN, torch.tensor([[1, 2], [0, 3], [3, 4], [2, 0]]))
    with pytest.raises(DataError, match="4 captions"):
        group_word_scores(GIVEN, MEMBERS[:3])
