"""Weights of regions within a group and distinctive words, by hand."""

from __future__ import annotations

import pytest
import small_captioners
import torch
from rivals_world import GIVEN
from six_scenes import INDEX, MEMBERS, REFERENCES, WORDS, tokens

from rivals.gdis_cap import DistinctiveWords, GdisCap, distinctive_words, region_weights


def test_a_region_that_no_similar_image_has_is_lit_up() -> None:
    one, two = torch.eye(2, dtype=torch.double)
    x = torch.stack([one, two])[None]  # (1, 2, 2)
    others = torch.stack([torch.stack([one, one]), torch.stack([one, -two])])[None]
    every = torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 2, 2, dtype=torch.bool)
    weights = region_weights(x, others, *every, sharpness=2.0)[0]
    likeness = torch.tensor([(1 + 1) / 2, (0 + 0) / 2])  # nearest region, mean over images
    expected = 2 * (-2 * likeness).exp() / (-2 * likeness).exp().sum()
    assert weights.tolist() == pytest.approx(expected.tolist()) and weights[1] > weights[0]
    assert region_weights(x, others, *every, sharpness=0.0).tolist() == [[1, 1]]


def test_padded_regions_neither_count_nor_are_counted() -> None:
    draw = torch.Generator().manual_seed(0)
    x, others = torch.randn(2, 3, 4, generator=draw), torch.randn(2, 2, 3, 4, generator=draw)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    theirs = torch.ones(2, 2, 3, dtype=torch.bool)
    theirs[:, :, 2] = False
    weights = region_weights(x, others, mask, theirs, 3.0)
    assert weights.sum(1).tolist() == pytest.approx([3, 2]) and weights[1, 2] == 0
    others[:, :, 2], x[1, 2] = 9.0, 9.0
    torch.testing.assert_close(region_weights(x, others, mask, theirs, 3.0), weights)


def test_without_sharpness_the_group_changes_nothing() -> None:
    model = small_captioners.small("rivals.gdis_cap:GdisCap", sharpness=0.0)
    assert isinstance(model, GdisCap)
    images, group = small_captioners.features(2, 3), small_captioners.features(4, 3, seed=5)
    alone, inside = model.encode(images), model.encode_in_group(images, group)
    torch.testing.assert_close(inside.regions, alone.regions)
    sharp = small_captioners.small("rivals.gdis_cap:GdisCap")
    assert isinstance(sharp, GdisCap)
    assert not torch.allclose(sharp.encode_in_group(images, group).regions, alone.regions)


def test_distinctive_words_are_those_of_the_image_alone() -> None:
    found = distinctive_words(GIVEN)
    known = [{word for caption in captions for word in caption} for captions in REFERENCES]
    for image, members in enumerate(MEMBERS):
        own = known[image].difference(*(known[member] for member in members))
        assert set(found[image].nonzero().flatten().tolist()) == own - {*WORDS.forbidden}


def test_the_reward_is_the_share_of_them_that_is_said() -> None:
    words = distinctive_words(GIVEN)
    found = DistinctiveWords(GIVEN)(tokens(), INDEX)
    for row, image in enumerate(INDEX.tolist()):
        own = set(words[image].nonzero().flatten().tolist())
        for column in range(2):
            said = set(tokens()[row, column].tolist()) & own
            assert found[row, column].item() == pytest.approx(len(said) / max(1, len(own)))
