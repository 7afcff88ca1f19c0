"""The word classifier: its definition, what it learns, how it is shipped, where it ends up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from vision_shapes import LABELS, SIDE, Learned

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.training_scripts.train_attributes import (
    Recipe,
    average_precision,
    fit,
    frequent_words,
    label_matrix,
    main,
    predict,
    train,
    word_scores,
    words_of,
)
from emoji_scenes.vision.attributes import WordClassifier, load_classifier
from emoji_scenes.vision.detector import RegionExtractor, load_extractor
from emoji_scenes.vision.faster_rcnn import Thresholds
from emoji_scenes.vision.trunk import POOLED, STRIDE8, STRIDE16, TrunkMaps
from emoji_scenes.vision.weights import load_shipped, save_shipped
from gegcore.data.features import write_features
from gegcore.data.relations import RELATIONS, spatial_relations
from gegcore.errors import ChecksumError, ConfigError, MissingDependencyError, TrainingError

WORDS = ("square", "cross", "red", "blue", "dark")


def _maps(count: int = 2, seed: int = 0) -> TrunkMaps:
    g = torch.Generator().manual_seed(seed)
    return TrunkMaps(
        torch.randn(count, STRIDE8, 8, 12, generator=g),
        torch.randn(count, STRIDE16, 4, 6, generator=g),
        torch.randn(count, POOLED, generator=g),
    )


def _classifier(seed: int = 0) -> WordClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WordClassifier(WORDS, digest=str(seed)).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def said(learned: Learned) -> list[set[str]]:
    scenes = [learned.shapes.scene(i) for i in range(len(learned.targets))]
    return [{s.setting, *(w for t in s.things for w in (t.entity, t.colour or ""))} for s in scenes]


def test_where_a_thing_is_does_not_matter() -> None:
    """Maximum and mean over places forget the places: a mirrored map says the same words."""
    classifier, maps = _classifier(), _maps()
    classifier.merge.weight.copy_(classifier.merge.weight * 0)
    classifier.merge.weight[:, :, 1, 1] = torch.eye(classifier.merge.out_channels)
    spread = TrunkMaps(
        maps.stride8[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3),
        maps.stride16,
        maps.pooled,
    )
    mirrored = TrunkMaps(spread.stride8.flip(3), spread.stride16.flip(3), spread.pooled)
    assert torch.allclose(classifier(spread), classifier(mirrored), atol=1e-6)
    assert not torch.allclose(classifier(spread)[0], classifier(spread)[1], atol=1e-4)


def test_both_maps_matter() -> None:
    classifier, maps, other = _classifier(), _maps(), _maps(seed=1)
    said = classifier(maps)
    assert said.shape == (2, len(WORDS)) and said.gt(0).all() and said.lt(1).all()
    assert not torch.allclose(classifier(maps._replace(stride8=other.stride8)), said)
    assert not torch.allclose(classifier(maps._replace(stride16=other.stride16)), said)


def test_training_begins_at_the_frequencies(learned: Learned) -> None:
    frequency = torch.tensor([0.5, 0.0, 0.25, 1.0, 0.75])
    labels = (torch.arange(8)[:, None] < frequency * 8).float()
    classifier = WordClassifier(WORDS)
    fit(classifier, learned.maps, labels, Recipe(epochs=1, batch=8, rate=1e-12))
    without = torch.full((1, classifier.output.in_features), 0.0)
    assert torch.allclose(classifier.output(without).sigmoid()[0], frequency, atol=1e-3)


def test_a_loss_that_is_no_number_is_refused(learned: Learned) -> None:
    with pytest.raises(TrainingError, match="not a number") as caught:
        fit(WordClassifier(WORDS), learned.maps, torch.full((8, 5), torch.nan), Recipe(batch=8))
    assert "--rate" in caught.value.fix


def test_it_learns_words_of_places_and_of_whole_pictures(
    learned: Learned, said: list[set[str]]
) -> None:
    labels, seen = label_matrix(said, WORDS), learned.seen
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        classifier = WordClassifier(WORDS)
        fit(classifier, learned.maps, labels[:seen], Recipe(epochs=12, batch=8))
    assert not classifier.training
    rows = range(seen, len(said))
    found = predict(classifier, learned.maps, rows)
    for column, word in enumerate(WORDS):
        score = average_precision(found[:, [column]], labels[seen:, [column]])
        chance = float(labels[seen:, column].mean())
        assert score > chance + 0.6 * (1 - chance), word
    alone = predict(classifier, learned.maps, range(seen + 3, seen + 4))
    assert torch.allclose(alone[0], found[3], atol=1e-4), "it does not depend on the batch"


def test_average_precision_by_hand() -> None:
    seen = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.7, 0.3, 0.5], [0.1, 0.4, 0.5]])
    truth = torch.tensor([[1.0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
    # First word: hits at ranks 1 and 3; second: at rank 1; the third occurs nowhere.
    assert average_precision(seen, truth) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert average_precision(seen, torch.zeros(4, 3)) == 0.0
    scores = word_scores(seen, truth)
    assert scores["precision"] == round(2 / 3, 4) and scores["recall"] == round(2 / 3, 4)
    assert scores["words_per_picture"] == scores["words_per_picture_true"] == 0.75


def test_content_words_by_frequency() -> None:
    said = [words_of(["A red dog is on the beach", "There is a dog"]), words_of(["a Dog, red"])]
    assert said[0] == {"red", "dog", "beach"}
    assert frequent_words([*said, {"sea"}], 3) == ("dog", "red", "beach")
    assert label_matrix(said, ("beach", "dog")).tolist() == [[1, 1], [0, 1]]


TINY = ["--scenes", "8", "--held-out", "2", "--words", "20", "--epochs", "1", "--batch", "4"]


def test_the_same_seed_gives_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for folder, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        main([*TINY, "--name", "tiny", "--seed", seed, "--out", str(tmp_path / folder)])
        _, found[folder] = load_shipped("tiny", tmp_path / folder)
    assert found["a"]["sha256"] == found["b"]["sha256"] != found["c"]["sha256"]
    provenance = found["a"]
    assert "--words 20" in provenance["command"] and provenance["recipe"]["seed"] == 7
    records = ScenesDataset("web", 10).records
    expected = frequent_words([words_of(record.captions) for record in records[:8]], 20)
    assert tuple(provenance["words"]) == expected, "words of the training pictures only"
    assert 0 <= provenance["scores"]["mAP"] <= 1 and provenance["scores"]["mAP_annotators"] > 0.5
    assert "mAP" in capsys.readouterr().out
    assert load_classifier("tiny", tmp_path / "a").words == expected


def test_training_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(Recipe(scenes=4, held_out=1, epochs=1, batch=4, words=5), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("wrong", [{"scenes": 4}, {"held_out": 0}, {"words": 0}])
def test_too_little_to_learn_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="too few"):
        train(Recipe(**wrong), tmp_path)


def _ship(folder: Path, words: tuple[str, ...] = WORDS) -> WordClassifier:
    classifier = _classifier()
    weights = {name: value.half() for name, value in classifier.state_dict().items()}
    save_shipped("words", weights, {"words": list(words)}, folder)
    return classifier


def test_shipped_weights_are_the_same_in_half_precision(tmp_path: Path) -> None:
    classifier, before = _ship(tmp_path), torch.get_rng_state()
    loaded = load_classifier("words", tmp_path)
    assert torch.equal(before, torch.get_rng_state()), "loading draws no random numbers"
    assert loaded.words == WORDS and not loaded.training
    assert loaded.digest == load_shipped("words", tmp_path).metadata["sha256"][:16]
    assert loaded.output.weight.dtype == torch.float32
    assert torch.allclose(loaded(_maps()), classifier.half().float()(_maps()))


def test_weights_of_other_words_are_refused(tmp_path: Path) -> None:
    _ship(tmp_path, (*WORDS, "green"))
    with pytest.raises(ChecksumError, match="do not fit") as caught:
        load_classifier("words", tmp_path)
    assert "train_attributes" in caught.value.fix


def test_missing_words_are_named(learned: Learned, tmp_path: Path) -> None:
    weights = learned.detector.state_dict()
    save_shipped("shapes", weights, {"labels": LABELS.to_dict()}, tmp_path)
    with pytest.raises(MissingDependencyError, match=r"words\.safetensors"):
        load_extractor(name="shapes", words="words", folder=tmp_path)
    assert load_extractor(name="shapes", words=None, folder=tmp_path).words is None


def test_the_extractor_gives_attributes_and_relations(learned: Learned) -> None:
    pictures, classifier = learned.shapes.images(range(6)), _classifier()
    extractor = RegionExtractor(
        "shapes", learned.detector, "0", Thresholds(regions=5), words=classifier
    )
    batch = extractor(pictures)
    assert batch.attributes is not None and batch.relations is not None
    assert torch.equal(batch.attributes, classifier(extractor.trunk(pictures)))
    assert batch.relations.shape == (6, 5, 5) and batch.relations.dtype == torch.int64
    exist = batch.mask.unsqueeze(1) & batch.mask.unsqueeze(2)
    assert not exist.all() and not batch.relations[~exist].any(), "padding has no edges"
    inside = batch.relations[:, 0, 1:][batch.mask[:, 1:]]
    assert (inside == RELATIONS.index("inside")).all(), "things are inside the whole picture"
    assert RegionExtractor("shapes", learned.detector, "0")(pictures).attributes is None


def test_relations_follow_pixels_not_fractions(learned: Learned) -> None:
    """In a picture that is not square, fractions of its sides would turn the directions."""
    wide = np.concatenate([learned.shapes.images([i]) for i in range(3)], axis=2)
    batch = RegionExtractor("shapes", learned.detector, "0")(wide)
    size = (SIDE, 3 * SIDE)
    pixels = batch.boxes * torch.tensor([size[1], size[0], size[1], size[0]])
    right = spatial_relations(pixels, batch.mask, size)
    assert torch.equal(batch.relations, right)
    assert not torch.equal(right, spatial_relations(batch.boxes, batch.mask, (1, 1)))


def test_the_digest_follows_the_words(learned: Learned) -> None:
    words = (None, _classifier(0), _classifier(1))
    digests = {RegionExtractor("shapes", learned.detector, "0", words=w).digest for w in words}
    assert len(digests) == 3


def test_sizes_reach_the_store(learned: Learned, tmp_path: Path) -> None:
    extractor = RegionExtractor("shapes", learned.detector, "0", words=_classifier())
    sizes = write_features(ScenesDataset("val", 3), extractor, tmp_path / "val").sizes
    assert (sizes.attributes, sizes.relations) == (len(WORDS), len(RELATIONS))
