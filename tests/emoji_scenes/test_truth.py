"""Precision, recall and the oracle listener, against counts by hand and a slow listener."""

from __future__ import annotations

import numpy as np
import pytest

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts
from emoji_scenes.scenes.facts import atoms_of
from emoji_scenes.scenes.graph import Relation, SceneGraph, Thing
from emoji_scenes.scenes.parse import facts_of
from emoji_scenes.truth import count_truth, truth_scores
from gegcore.errors import DataError

BOX = (0.1, 0.1, 0.4, 0.4)
WORLD = ScenesDataset("val", 120)
SCENES = {record.image_id: WORLD.scene(i) for i, record in enumerate(WORLD.records)}


def scene(image_id: int, entity: str, colour: str | None, setting: str) -> SceneGraph:
    things = (Thing(entity, colour, "medium", BOX), Thing("tree", None, "small", BOX))
    relations = (Relation(1, "behind", 0),)
    return SceneGraph(image_id, 0, setting, "day", "clear", 1, things, relations)


THREE = {
    1: scene(1, "car", "red", "street"),
    2: scene(2, "car", "blue", "street"),
    3: scene(3, "bus", "red", "street"),
}


def test_counts_by_hand() -> None:
    captions = {1: "a red car by a dog", 2: "a car on the street", 3: "", 4: "a bus"}
    found = count_truth(captions, {**THREE, 4: THREE[3]})
    # Facts: car, red car, dog, by dog; car, place; none; bus.
    assert found.stated.tolist() == [4, 2, 0, 1]
    assert found.true.tolist() == [2, 2, 0, 1]
    # Details: vehicle, its colour, tree, relation, place, time, weather.
    assert found.details.tolist() == [7, 7, 7, 7]
    assert found.covered.tolist() == [2, 2, 0, 1]
    # One red car; two cars on the street; anything of four; two buses.
    assert found.listener.tolist() == [1.0, 0.5, 0.25, 0.5]


def test_corpus_values_are_ratios_of_sums() -> None:
    captions = {1: "a red car by a dog", 2: "a car on the street", 3: "a bus"}
    values = {n: s.value() for n, s in truth_scores(captions, THREE).statistics.items()}
    assert values == pytest.approx(
        {
            "fact precision": 100 * 5 / 7,
            "detail recall": 100 * 5 / 21,
            "facts": 7 / 3,
            "listener R@1": 100 * (1 + 0.5 + 1) / 3,
        }
    )


def test_captions_that_state_nothing_have_no_precision() -> None:
    values = truth_scores({1: "of the", 2: ""}, THREE).statistics
    assert values["fact precision"].value() == values["detail recall"].value() == 0.0
    assert values["listener R@1"].value() == pytest.approx(100 / 3)


def test_the_listener_counts_true_facts_in_every_scene() -> None:
    captions = {image: alt_texts(s, 5, 1)[0] for image, s in SCENES.items()}
    swapped = dict(zip(captions, reversed(captions.values()), strict=True))
    for said in (captions, swapped):
        found = count_truth(said, SCENES)
        for row, (image, caption) in enumerate(said.items()):
            facts = facts_of(caption)
            counts = [sum(bool(f.atoms & atoms_of(s)) for f in facts) for s in SCENES.values()]
            own = counts[list(SCENES).index(image)]
            expected = (own == max(counts)) / counts.count(max(counts))
            assert found.listener[row] == pytest.approx(expected)
            assert found.true[row] == own


def test_accurate_captions_are_true_and_detailed_ones_are_understood() -> None:
    human = {record.image_id: record.captions[0] for record in WORLD.records}
    web = {image: alt_texts(s, 1, 1)[0] for image, s in SCENES.items()}
    plain, detailed = (truth_scores(said, SCENES).statistics for said in (human, web))
    assert plain["fact precision"].value() == detailed["fact precision"].value() == 100.0
    assert plain["detail recall"].value() < 60 < 99 < detailed["detail recall"].value()
    assert plain["listener R@1"].value() < detailed["listener R@1"].value()


def test_what_does_not_fit() -> None:
    with pytest.raises(DataError, match="no captions"):
        truth_scores({}, THREE)
    with pytest.raises(DataError, match="9"):
        truth_scores({9: "a car"}, THREE)


def test_per_caption_values_make_the_corpus_values() -> None:
    captions = {record.image_id: record.captions[1] for record in WORLD.records}
    scores = truth_scores(captions, SCENES)
    each = scores.per_caption
    assert scores.statistics["fact precision"].value() == pytest.approx(
        100 * each["true facts"].sum() / each["facts"].sum()
    )
    assert scores.statistics["listener R@1"].value() == pytest.approx(np.mean(each["listener R@1"]))
