"""The rate of captions that break off."""

from __future__ import annotations

import pytest
import torch

from gegcore.endings import BAD_ENDINGS, bad_ending_rate, ending_ids

WORDS = ["a", "dog", "with", "runs", "the", "UNK"]


def test_ids_are_those_of_the_vocabulary() -> None:
    assert ending_ids(WORDS).tolist() == [1, 3, 5]
    assert ending_ids(["dog"]).shape == (0,)


def test_words_that_may_end_a_sentence_are_not_listed() -> None:
    assert not BAD_ENDINGS & {"outside", "behind", "above", "up", "down", "off", "it", "them"}


@pytest.mark.parametrize(
    ("caption", "rate"),
    [
        ([1, 2, 4, 0, 0], 0.0),  # a dog runs
        ([1, 2, 3, 1, 0], 1.0),  # a dog with a
        ([1, 2, 4, 3, 5], 1.0),  # cut off: a dog runs with the
        ([2, 0, 3, 3, 3], 0.0),  # whatever stands behind the end is not said
        ([0, 0, 0, 0, 0], 0.0),
    ],
)
def test_last_word_decides(caption: list[int], rate: float) -> None:
    assert bad_ending_rate(torch.tensor([[caption]]), ending_ids(WORDS)).item() == rate


def test_share_of_all_captions() -> None:
    tokens = torch.tensor([[[1, 0], [2, 0]], [[2, 3], [0, 0]]])
    rate = bad_ending_rate(tokens, ending_ids(WORDS))
    assert (rate.item(), rate.shape, rate.dtype) == (0.5, (), torch.float32)


def test_vocabulary_without_such_words_ends_well() -> None:
    assert bad_ending_rate(torch.tensor([[1, 2, 0]]), ending_ids(["dog", "runs"])).item() == 0


def test_never_looks_at_values_on_a_device() -> None:
    """On `meta` tensors there are no values: what would wait for a GPU raises."""
    tokens = torch.zeros(2, 3, 5, dtype=torch.long, device="meta")
    assert bad_ending_rate(tokens, ending_ids(WORDS).to("meta")).device.type == "meta"
