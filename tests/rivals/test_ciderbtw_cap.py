"""CIDErBtw of samples, weights of references and the two weighted terms, by hand."""

from __future__ import annotations

import pytest
import torch
from rivals_world import GIVEN
from six_scenes import INDEX, MEMBERS, REFERENCES, WORDS, tokens

from gegcore.rewards import CiderD, cider_d, document_frequency
from gegcore.training.xe import IGNORED, cross_entropy
from rivals import ciderbtw_cap
from rivals.ciderbtw_cap import (
    CiderBetween,
    WeightedCider,
    reference_weights,
    weighted_cross_entropy,
    weights_of,
)

FREQUENCY = document_frequency(REFERENCES, len(WORDS))


def test_cider_between_is_the_mean_over_the_similar_images() -> None:
    found = CiderBetween(GIVEN)(tokens(), INDEX)
    for row, image in enumerate(INDEX.tolist()):
        others = [
            cider_d(tokens()[row : row + 1], [REFERENCES[member]], FREQUENCY)[0]
            for member in MEMBERS[image]
        ]
        torch.testing.assert_close(found[row], torch.stack(others).mean(0))


def test_weights_by_hand() -> None:
    between = torch.tensor([[1.0, 3.0, 4.0], [2.0, 0.0, 9.0], [0.0, 0.0, 0.0]])
    found = weights_of(between, torch.tensor([3, 2, 3]), alpha=0.6)
    mean = (0.25 + 0.75 + 1.0) / 3
    expected = [1 + 0.6 * (mean - share) for share in (0.25, 0.75, 1.0)]
    assert found[0].tolist() == pytest.approx(expected)
    assert found[1, :2].tolist() == pytest.approx([1 + 0.6 * (0.5 - 1), 1 + 0.6 * 0.5])
    assert found[2].tolist() == [1, 1, 1]


def test_a_reference_that_fits_similar_images_too_weighs_less() -> None:
    weights = reference_weights(GIVEN, 0.5)
    scorer = CiderD(REFERENCES, len(WORDS))
    for image, captions in enumerate(REFERENCES):
        rows = torch.nn.utils.rnn.pad_sequence([torch.tensor([*c, 0]) for c in captions], True)
        between = torch.stack([scorer(rows[None], torch.tensor([m]))[0] for m in MEMBERS[image]])
        order = between.mean(0).argsort()
        own = weights[image, : len(captions)]
        assert own[order].tolist() == sorted(own.tolist(), reverse=True)
        assert own.mean().item() == pytest.approx(1, abs=1e-6)


def test_weighted_cider_is_the_weighted_mean_over_references() -> None:
    weights = reference_weights(GIVEN, ciderbtw_cap.ALPHA)
    found = WeightedCider(GIVEN)(tokens(), INDEX)
    for row, image in enumerate(INDEX.tolist()):
        said = tokens()[row : row + 1]
        each = [cider_d(said, [[words]], FREQUENCY)[0] for words in REFERENCES[image]]
        own = weights[image, : len(each), None]
        torch.testing.assert_close(found[row], (own * torch.stack(each)).mean(0))


def test_weighted_cross_entropy() -> None:
    logits = torch.randn(2, 3, 4, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[[1, 2, 0, IGNORED]] * 3, [[6, 0, IGNORED, IGNORED]] * 3])
    ones = torch.ones(2, 3, 1)
    plain = cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(weighted_cross_entropy(logits, targets, ones), plain)
    weights = torch.tensor([[0.5, 1.0, 2.0], [3.0, 0.0, 1.0]])[..., None]
    parts = [
        weights[b, c].item() * cross_entropy(logits[b, c], targets[b, c], reduction="sum")
        for b in range(2)
        for c in range(3)
    ]
    found = weighted_cross_entropy(logits, targets, weights)
    torch.testing.assert_close(found, torch.stack(parts).sum())


def test_smoothed_labels_have_the_gradient_of_the_package() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = torch.tensor([1, 2, 0, IGNORED, 3])
    (plain,) = torch.autograd.grad(cross_entropy(logits, targets, 0.1, reduction="sum"), logits)
    ours = weighted_cross_entropy(logits, targets, torch.ones(5), 0.1)
    (found,) = torch.autograd.grad(ours, logits)
    torch.testing.assert_close(found, plain)
