"""Noun phrases, articles, numbers, times and weathers are English and fit the scene."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph, Thing
from emoji_scenes.scenes.sampler import sample_scene

BOX = (0.1, 0.1, 0.4, 0.4)
SIZES = {"large": p.LARGE, "small": p.SMALL, "medium": ()}
SCENE = sample_scene(0, "val", 0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def thing(entity: str, colour: str | None = None, size: str = "medium") -> Thing:
    return Thing(entity, colour, size, BOX)


def ambiences(setting: str, time: str, weather: str) -> list[list[str]]:
    scene = replace(SCENE, setting=setting, time=time, weather=weather)
    return [p.ambience(rng(seed), scene) for seed in range(30)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("orange car", "an orange car"),
        ("blue eagle", "a blue eagle"),
        ("hot dog", "a hot dog"),
        ("cup of coffee", "a cup of coffee"),
        ("bouquet of flowers", "a bouquet of flowers"),
        ("flowers", "some flowers"),
        ("red scissors", "some red scissors"),
        ("furniture", "some furniture"),
    ],
)
def test_articles(words: str, expected: str) -> None:
    assert p.article(words) == expected


def test_no_name_needs_an_article_by_sound() -> None:
    """`article` goes by the letter; that holds while no name is like "unicycle" or "hour"."""
    names = [n for e in ENTITIES.values() for n in (*e.names, *e.generic)]
    by_sound = re.compile(r"(uni|use|util|eu|ewe|one\b|once|hour|honest|heir|herb)")
    assert not {n for n in names if by_sound.match(n)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_noun_phrases_have_number_size_colour_and_name_in_this_order(size: str, count: int) -> None:
    car = thing("car", "red", size)
    seen = {p.noun_phrase(rng(k), car, 0, count, colour=True, size=True) for k in range(60)}
    numbers = ("a",) if count == 1 else p.NUMBERS[count]
    noun = "car" if count == 1 else "cars"
    sizes = [f" {word}" for word in SIZES[size]] or [""]
    assert seen == {f"{number}{word} red {noun}" for number in numbers for word in sizes}


def test_details_are_named_only_on_request_and_where_there_are_any() -> None:
    assert p.noun_phrase(rng(), thing("car", "red", "large"), 0) == "a car"
    assert p.noun_phrase(rng(), thing("car"), 0, colour=True, size=True) == "a car"
    assert p.noun_phrase(rng(), thing("car", "red"), "vehicle", colour=True) == "a red vehicle"
    assert p.noun_phrase(rng(), thing("duck"), "bird", 3).endswith(" birds")


@pytest.mark.parametrize(
    ("entity", "plural"),
    [
        ("sheep", "sheep"),
        ("deer", "deer"),
        ("bus", "buses"),
        ("snowman", "snowmen"),
        ("walker", "men"),
        ("sandwich", "sandwiches"),
        ("coffee", "cups of coffee"),
        ("butterfly", "butterflies"),
    ],
)
def test_plurals_are_those_of_english(entity: str, plural: str) -> None:
    assert p.noun_phrase(rng(), thing(entity), 0, count=3).endswith(f" {plural}")


@pytest.mark.parametrize(
    ("count", "phrase", "plural"),
    [
        (1, "a dog", False),
        (2, "two dogs", True),
        (1, "some glasses", True),
        (1, "some food", False),
    ],
)
def test_agreement(count: int, phrase: str, plural: bool) -> None:
    assert p.is_plural(thing("dog"), count, phrase) is plural


def test_common_names_are_said_more_often_by_habit() -> None:
    dog = ENTITIES["dog"]
    plain, habit = (
        np.bincount([p.name_of(rng(k), dog, strength) for k in range(3_000)]) / 3_000
        for strength in (0.0, 1.0)
    )
    assert plain == pytest.approx(np.full(6, 1 / 6), abs=0.03)
    assert habit == pytest.approx(1 / np.arange(1, 7) / sum(1 / np.arange(1, 7)), abs=0.03)
    assert {p.name_of(rng(k), dog, 1, 1) for k in range(50)} == set(dog.generic)
    draws = [p.name_of(rng(k), dog, 1, 0.1) for k in range(2_000)]
    assert np.mean([isinstance(d, str) for d in draws]) == pytest.approx(0.1, abs=0.03)


def test_names_without_hypernym_stay() -> None:
    lone = replace(ENTITIES["dog"], names=("dog",), plurals=("dogs",), generic=())
    assert {p.name_of(rng(k), lone, 1, 1) for k in range(20)} == {0}


@pytest.mark.parametrize(
    ("doing", "plural", "said"),
    [
        ("standing", False, "stands"),
        ("standing on one leg", False, "stands on one leg"),
        ("riding a bike", True, "ride a bike"),
        ("lying", False, "lies"),
        ("sitting", False, "sits"),
        ("flying around", False, "flies around"),
        ("perched", False, ""),
        ("in the air", True, ""),
        ("", False, ""),
    ],
)
def test_activities_in_the_present_tense(doing: str, plural: bool, said: str) -> None:
    assert p.in_present(doing, plural) == said


def test_activities_agree_with_the_number() -> None:
    one = {p.activity(rng(k), thing("dog"), 1) for k in range(80)}
    two = {p.activity(rng(k), thing("dog"), 2) for k in range(80)}
    assert one == set(ENTITIES["dog"].activities)
    assert "wagging its tail" in one and "wagging their tail" in two
    assert p.activity(rng(), thing("tree"), 1) == "", "it only stands beside something"


def test_indoors_there_is_no_weather() -> None:
    for setting in SETTINGS.values():
        assert {len(a) for a in ambiences(setting.key, "day", "clear")} == {2 - setting.indoors}


@pytest.mark.parametrize("weather", p.WEATHERS)
def test_nights_and_sunsets_are_not_sunny_days(weather: str) -> None:
    nights = {phrase for a in ambiences("park", "night", weather) for phrase in a}
    assert not any(re.search(r"\bday|sun|orange", phrase) for phrase in nights), nights
    evenings = {phrase for a in ambiences("park", "sunset", weather) for phrase in a}
    assert not any(re.search(r"sunny|daylight|moon|star|dark", phrase) for phrase in evenings)


def test_a_weather_is_only_said_of_itself() -> None:
    said = {
        weather: {a[1] for time in p.TIMES for a in ambiences("park", time, weather)}
        for weather in p.WEATHERS
    }
    assert all(said.values())
    weathers = list(said)
    for i, one in enumerate(weathers):
        assert not any(said[one] & said[other] for other in weathers[i + 1 :])


def test_sampled_relations_can_all_be_worded() -> None:
    scenes = [sample_scene(0, "train", i) for i in range(0, 3_000, 5)]
    predicates = {r.predicate for scene in scenes for r in scene.relations}
    assert predicates == set(p.RELATIONS) == set(p.WITH)


def test_relation_of_a_thing_is_its_own() -> None:
    def check(scene: SceneGraph) -> int:
        for index in range(scene.count, len(scene.things)):
            assert p.relation_of(scene, index).subject == index
        return len(scene.secondary)

    assert sum(check(sample_scene(1, "web", i)) for i in range(40)) > 20


def test_colours_are_no_sizes_or_numbers() -> None:
    """Captions are read back word by word in other tests; no word may mean two details."""
    numbers = {word for options in p.NUMBERS.values() for o in options for word in o.split()}
    assert not set(COLOURS) & {*p.LARGE, *p.SMALL, *numbers}
