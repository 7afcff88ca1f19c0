"""English for scene graphs: noun phrases, verbs, relations, times and weathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from emoji_scenes.scenes.catalogue import SETTINGS, Entity
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Relation, SceneGraph, Thing

T = TypeVar("T")

_SOME = frozenset(
    ["scissors", "glasses", "eyeglasses", "flowers", "silverware", "food", "furniture", "wood"]
)
"""Words that take "some" instead of "a"."""
_PLURAL_WORDS = frozenset(["scissors", "glasses", "eyeglasses", "flowers"])

NUMBERS = {2: ("two", "a pair of", "a couple of"), 3: ("three", "a group of", "three")}
LARGE = ("large", "big", "huge")
SMALL = ("small", "little", "tiny")
TIMES = {
    "day": ("during the day", "in daylight", "in the daytime"),
    "sunset": ("at sunset", "in the evening", "at dusk"),
    "night": ("at night", "in the dark", "under a night sky"),
}
WEATHERS = {
    "clear": ("on a clear day", "in clear weather", "under a clear sky"),
    "cloudy": ("on a cloudy day", "under a cloudy sky", "on a gray day"),
    "rainy": ("in the rain", "on a rainy day", "while it is raining"),
    "snowy": ("while it is snowing", "in falling snow", "on a snowy day"),
}
SUNNY = "on a sunny day"
CLEAR_AT = {
    "sunset": ("with a setting sun", "under an orange sky"),
    "night": ("under the moon", "under a starry sky"),
}
RELATIONS = {
    "left of": ("next to", "beside", "near", "close to", "by"),
    "right of": ("next to", "beside", "near", "close to", "by"),
    "above": ("below", "under", "beneath"),
    "in front of": ("behind", "in back of"),
    "behind": ("in front of",),
}
"""Predicate of (secondary, main) -> how the main thing stands to the secondary one."""
WITH = {
    "left of": ("to the left", "on the left", "on the left side"),
    "right of": ("to the right", "on the right", "on the right side"),
    "above": ("above it", "overhead", "in the air above"),
    "in front of": ("in front of it", "in the foreground"),
    "behind": ("behind it", "in the background"),
}


def choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def article(words: str) -> str:
    """`words` with "a", "an" or "some" before it."""
    last = words.split(" of ")[0].split()[-1]
    if last in _SOME:
        return f"some {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def name_of(rng: np.random.Generator, entity: Entity, synonym: float, hypernym: float) -> int | str:
    """Index of a name, or a hypernym, with the given chances of straying from the first name."""
    draw = rng.random()
    if entity.generic and draw < hypernym:
        return choose(rng, entity.generic)
    if len(entity.names) > 1 and draw < hypernym + synonym:
        return 1 + int(rng.integers(len(entity.names) - 1))
    return 0


def noun_phrase(
    rng: np.random.Generator,
    thing: Thing,
    name: int | str,
    count: int = 1,
    colour: bool = False,
    size: bool = False,
) -> str:
    """For example "a large red car", "two dogs", "some scissors"."""
    entity = ENTITIES[thing.entity]
    if isinstance(name, str):
        singular, plural = name, plural_of(name)
    else:
        singular, plural = entity.names[name], entity.plurals[name]
    adjectives = []
    if size and thing.size != "medium":
        adjectives.append(choose(rng, LARGE if thing.size == "large" else SMALL))
    if colour and thing.colour is not None:
        adjectives.append(thing.colour)
    if count == 1:
        return article(" ".join([*adjectives, singular]))
    return " ".join([choose(rng, NUMBERS[count]), *adjectives, plural])


def plural_of(name: str) -> str:
    irregular = {"aircraft": "aircraft", "fruit": "fruits", "dish": "dishes", "box": "boxes"}
    return irregular.get(name, name if name.endswith("s") else name + "s")


def is_plural(thing: Thing, count: int, phrase: str) -> bool:
    return count > 1 or phrase.split()[-1] in _PLURAL_WORDS


def activity(rng: np.random.Generator, thing: Thing, count: int) -> str:
    """Something that the main thing may be said to do, or ""."""
    options = ENTITIES[thing.entity].activities
    if not options:
        return ""
    words = choose(rng, options)
    return words.replace(" its ", " their ") if count > 1 else words


def setting_phrase(rng: np.random.Generator, scene: SceneGraph) -> str:
    return choose(rng, SETTINGS[scene.setting].phrases)


def relation_of(scene: SceneGraph, thing_index: int) -> Relation:
    return next(r for r in scene.relations if r.subject == thing_index)


def ambience(rng: np.random.Generator, scene: SceneGraph) -> list[str]:
    """True phrases for the time and the weather, one each where there is something to say."""
    indoors = SETTINGS[scene.setting].indoors
    phrases = [choose(rng, TIMES[scene.time])]
    if indoors:
        return phrases
    if scene.weather == "clear":
        sunny = (SUNNY, *WEATHERS["clear"]) if scene.time == "day" else CLEAR_AT[scene.time]
        return [*phrases, choose(rng, sunny)]
    options: tuple[str, ...] = WEATHERS[scene.weather]
    if scene.time == "night":
        options = tuple(at_night(option) for option in options)
    return [*phrases, choose(rng, options)]


def at_night(weather: str) -> str:
    """A phrase of `WEATHERS` as it is said of a night."""
    return weather.replace("day", "night").replace("gray", "dark")
