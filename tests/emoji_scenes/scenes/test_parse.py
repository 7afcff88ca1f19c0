"""Captions parsed back to facts: by hand, on every accurate caption, and on nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts, hard_negative
from emoji_scenes.scenes.facts import atoms_of, details_of
from emoji_scenes.scenes.graph import Relation, SceneGraph, Thing
from emoji_scenes.scenes.lexicon import lexicon
from emoji_scenes.scenes.parse import Fact, facts_of

BOX = (0.1, 0.1, 0.4, 0.4)
HELD_OUT = ScenesDataset("val", 150)

# Two large red cars on a street at night in the rain; a tree behind them, a blue mailbox left.
STREET = SceneGraph(
    image_id=1,
    family=1,
    setting="street",
    time="night",
    weather="rainy",
    count=2,
    things=(
        Thing("car", "red", "large", BOX),
        Thing("car", "red", "large", BOX),
        Thing("tree", None, "small", BOX),
        Thing("mailbox", "blue", "small", BOX),
    ),
    relations=(Relation(2, "behind", 0), Relation(3, "left of", 0)),
)


def judged(caption: str, scene: SceneGraph = STREET) -> dict[str, bool]:
    """Words of each stated fact -> whether it is true."""
    atoms = atoms_of(scene)
    return {fact.words: bool(fact.atoms & atoms) for fact in facts_of(caption)}


@pytest.mark.parametrize(
    ("caption", "facts"),
    [
        ("a car", {"car": True}),
        ("two cars on the road", {"cars": True, "two cars": True, "on the road": True}),
        ("three cars", {"cars": True, "three cars": False}),
        ("a group of sedans", {"sedans": True, "group of sedans": False}),
        ("a vehicle parked at night", {"vehicle": True, "parked": True, "at night": True}),
        ("a big red car", {"car": True, "big car": True, "red car": True}),
        ("a small green car", {"car": True, "small car": False, "green car": False}),
        ("some buses", {"buses": False}),
        ("cars in front of a tree", {"cars": True, "tree": True, "in front of tree": True}),
        ("cars behind a tree", {"cars": True, "tree": True, "behind tree": False}),
        ("a tree behind a car", {"tree": True, "car": True, "behind car": True}),
        ("a car near a yellow mailbox",
         {"car": True, "mailbox": True, "yellow mailbox": False, "near mailbox": True}),
        ("a mailbox next to an auto", {"mailbox": True, "auto": True, "next to auto": True}),
        ("a car under a kite", {"car": True, "kite": False, "under kite": False}),
        ("cars with a box on the left", {"cars": True, "box": True, "on the left": True}),
        ("a tree overhead", {"tree": True, "overhead": False}),
        ("on a rainy night", {"on a rainy night": True}),
        ("in the dark in falling snow", {"in the dark": True, "in falling snow": False}),
        ("a car flying at the beach", {"car": True, "flying": False, "at the beach": False}),
        ("in front of tall buildings", {"in front of tall buildings": False}),
        ("a pair of scissors", {"pair of scissors": False}),
        ("a pair of blue cars", {"cars": True, "pair of cars": True, "blue cars": False}),
        ("a man is riding a horse", {"man": False, "riding a horse": False}),
        ("a purple tree", {"tree": True}),  # Trees keep their colour: nothing to check.
        ("there is a thing that nobody knows", {"thing": False}),
        ("the of a with", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_facts_by_hand(caption: str, facts: dict[str, bool]) -> None:
    assert judged(caption) == facts


def test_a_repeated_statement_is_one_fact() -> None:
    salad = "a car below a fence below a kite below a kite below a kite"
    assert list(judged(salad)) == ["car", "kite", "below kite"]
    assert len(facts_of(salad)) == 3


def test_a_night_states_the_time_and_the_weather() -> None:
    atoms = [fact.atoms for fact in facts_of("a dog on a cloudy night")[1:]]
    assert atoms == [{("weather", "cloudy")}, {("time", "night")}]
    assert [fact.atoms for fact in facts_of("on a cloudy day")] == [{("weather", "cloudy")}]


def test_names_that_begin_with_an_adjective_are_read_both_ways() -> None:
    (flower,) = facts_of("a yellow flower")
    assert {("thing", "sunflower"), ("colour", "rose", "yellow")} <= flower.atoms


def test_details_are_true_and_complete() -> None:
    details = details_of(STREET)
    assert details <= atoms_of(STREET)
    assert details == {
        ("setting", "street"), ("time", "night"), ("weather", "rainy"),
        ("count", "car", "2"), ("thing", "car"), ("colour", "car", "red"),
        ("thing", "tree"), ("thing", "mailbox"), ("colour", "mailbox", "blue"),
        ("relation", "behind", "tree"), ("relation", "left of", "mailbox"),
    }  # fmt: skip


def test_accurate_captions_state_nothing_false() -> None:
    """Annotators and alt-texts say only what is true: a false fact is a fault of the parser."""
    for index, record in enumerate(HELD_OUT.records):
        scene = HELD_OUT.scene(index)
        for caption in (*record.captions, *alt_texts(scene, seed=1)):
            assert all(judged(caption, scene).values()), caption


def test_detailed_texts_state_everything() -> None:
    missing = total = 0
    for index in range(len(HELD_OUT.records)):
        scene = HELD_OUT.scene(index)
        said = {atom for fact in facts_of(alt_texts(scene, 1, 1)[0]) for atom in fact.atoms}
        missing += len(details_of(scene) - said)
        total += len(details_of(scene))
    assert missing < 0.01 * total


def test_wrong_texts_state_something_false() -> None:
    scenes = [HELD_OUT.scene(index) for index in range(len(HELD_OUT.records))]
    caught = sum(not all(judged(hard_negative(s, 1, 0), s).values()) for s in scenes)
    # Some wrong details have no words: "left" and "right" are both "next to", one dog is "a dog".
    assert caught > 0.85 * len(scenes)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert all(isinstance(fact, Fact) and fact.atoms for fact in facts_of(text))


@given(st.lists(st.sampled_from(sorted(" ".join(words) for words in lexicon())), max_size=12))
def test_any_order_of_phrases_is_read(phrases: list[str]) -> None:
    facts = facts_of(" ".join(phrases))
    assert len(set(facts)) == len(facts)
