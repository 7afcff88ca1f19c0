"""What captioners see of a photograph: cells, their places, and the words they speak for."""

from __future__ import annotations

from pathlib import Path

import torch
from squares import Corpus

from gegcore.data.attributes import classifier_of, fit_classifier, frequent_words
from gegcore.data.relations import RELATIONS
from photographs.extractor import GridExtractor
from photographs.grids import Grids

CAPTIONS = [
    ("a red dog", "the dog in a park"),
    ("a cat", "a red cat"),
    ("a bird",),
    ("a red bird",),
]


def test_words_that_say_nothing_are_left_out() -> None:
    """ "a" is said of all; "red" of three in four, too many; of two are a bird and nothing else."""
    assert frequent_words(CAPTIONS) == ["cat", "dog", "in", "park", "the"]


def test_the_classifier_knows_what_features_tell(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=generator) * 3 + 5
    captions = [tuple(f"a {w}" for w, v in zip("bcd", row, strict=False) if v > 6) for row in x]
    made = fit_classifier(x, captions)
    assert sorted(made.words) == ["b", "c", "d"]
    truth = torch.tensor([[f"a {w}" in said for w in made.words] for said in captions])
    found = made(x)
    assert ((found > 0.5) == truth).float().mean() > 0.9
    assert torch.allclose(found.mean(0), truth.float().mean(0), atol=0.02)


def test_it_is_kept_for_these_captions_alone(tmp_path: Path) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    first = classifier_of(x, CAPTIONS, "network", tmp_path / "words")
    again = classifier_of(x * 0, CAPTIONS, "network", tmp_path / "words")
    assert torch.equal(first.weight, again.weight) and first.words == again.words
    other = classifier_of(x * 0, CAPTIONS, "another", tmp_path / "words")
    assert not torch.equal(first.weight, other.weight)


def test_cells_lie_where_their_boxes_say(corpus: Corpus, tmp_path: Path) -> None:
    grids = Grids("efficientnet-lite0", tmp_path / "grids")
    train = corpus.data(image_px=96).open("train", tmp_path)
    extractor = GridExtractor(grids)
    pictures = train.images([0, 1])
    found, maps = extractor(pictures), grids(pictures).float()
    assert found.regions.shape == (2, 9, 1280) and found.mask.all()
    assert torch.equal(found.regions[1, 5], maps[1, :, 1, 2])
    third = torch.tensor([2, 1, 3, 2]) / 3
    assert torch.allclose(found.boxes[1, 5], third)
    assert torch.allclose(found.pooled, found.regions.mean(1), atol=1e-4)
    assert found.relations is not None
    labels = found.relations[0]
    assert RELATIONS[labels[4, 5]] == "right, below" and RELATIONS[labels[4, 1]] == "above, right"
    assert (labels.diagonal() == 0).all()
