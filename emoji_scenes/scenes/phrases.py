"""English for scene graphs: noun phrases, verbs, relations, times and weathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from emoji_scenes.scenes.catalogue import SETTINGS, Entity
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Relation, SceneGraph, Thing
from emoji_scenes.scenes.words import BASES, EPITHETS

T = TypeVar("T")

_PLURAL_WORDS = frozenset(
    ["scissors", "shears", "glasses", "eyeglasses", "spectacles", "flowers", "utensils"]
)
_SOME = _PLURAL_WORDS | {"silverware", "cutlery", "food", "furniture", "wood"}
"""Words that take "some" instead of "a"."""

NUMBERS = {
    2: ("two", "a pair of", "a couple of", "two"),
    3: ("three", "a group of", "several", "three", "a trio of"),
}
LARGE = ("large", "big", "huge", "giant")
SMALL = ("small", "little", "tiny")
TIMES = {
    "day": ("during the day", "in daylight", "in the daytime", "in bright light", "at midday"),
    "sunset": ("at sunset", "in the evening", "at dusk", "at sundown", "as the sun sets"),
    "night": ("at night", "in the dark", "under a night sky", "after dark", "in the moonlight"),
}
WEATHERS = {
    "clear": ("on a clear day", "in clear weather", "under a clear sky", "on a nice day"),
    "cloudy": ("on a cloudy day", "under a cloudy sky", "on a gray day", "on an overcast day"),
    "rainy": ("in the rain", "on a rainy day", "while it is raining", "in rainy weather"),
    "snowy": ("while it is snowing", "in falling snow", "on a snowy day", "in a snow storm"),
}
SUNNY = "on a sunny day"
CLEAR_AT = {
    "sunset": ("with a setting sun", "under an orange sky"),
    "night": ("under the moon", "under a starry sky"),
}
_BESIDE = (
    *("next to", "beside", "near", "by", "close to", "alongside", "right next to", "not far from"),
    *("off to the side of", "right beside", "along with"),
)
RELATIONS = {
    "left of": _BESIDE,
    "right of": _BESIDE,
    "above": ("below", "under", "beneath", "underneath"),
    "in front of": ("behind", "in back of", "right behind"),
    "behind": ("in front of", "right in front of", "ahead of"),
}
"""Predicate of (secondary, main) -> how the main thing stands to the secondary one."""
INVERSE = {
    "left of": _BESIDE[:6],
    "right of": _BESIDE[:6],
    "above": ("above", "over", "high above"),
    "in front of": ("in front of",),
    "behind": ("behind",),
}
"""The same -> how the secondary thing stands to the main one, where it is named first."""
WITH = {
    "left of": ("to the left", "on the left", "on the left side"),
    "right of": ("to the right", "on the right", "on the right side"),
    "above": ("above it", "overhead", "in the air above", "up above"),
    "in front of": ("in front of it", "in the foreground", "in front"),
    "behind": ("behind it", "in the background", "in the distance"),
}
NEARBY = ("nearby", "to the side")
"""On either side of the main thing, as annotators say who don't look closely."""


def choose(rng: np.random.Generator, options: Sequence[T], habit: float = 0.0) -> T:
    """One of the options; with a habit, the earlier ones more often (Zipf's law)."""
    weights = np.arange(1.0, len(options) + 1) ** -habit
    return options[int(rng.choice(len(options), p=weights / weights.sum()))]


def article(words: str) -> str:
    """`words` with "a", "an" or "some" before it."""
    last = words.split(" of ")[0].split()[-1]
    if last in _SOME:
        return f"some {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def name_of(
    rng: np.random.Generator, entity: Entity, habit: float, hypernym: float = 0.0
) -> int | str:
    """Index of a name, or with the given chance a hypernym."""
    if entity.generic and rng.random() < hypernym:
        return choose(rng, entity.generic)
    return choose(rng, range(len(entity.names)), habit)


def noun_phrase(
    rng: np.random.Generator,
    thing: Thing,
    name: int | str,
    count: int = 1,
    colour: bool = False,
    size: bool = False,
    epithet: bool = False,
) -> str:
    """For example "a large red car", "two cute dogs", "some scissors"."""
    entity = ENTITIES[thing.entity]
    if isinstance(name, str):
        singular, plural = name, plural_of(name)
    else:
        singular, plural = entity.names[name], entity.plurals[name]
    adjectives = []
    if epithet and entity.category in EPITHETS:
        adjectives.append(choose(rng, EPITHETS[entity.category].split("|")))
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


def activity(rng: np.random.Generator, thing: Thing, count: int, habit: float = 0.0) -> str:
    """Something that the main thing may be said to do, or ""."""
    options = ENTITIES[thing.entity].activities
    if not options:
        return ""
    words = choose(rng, options, habit)
    return words.replace(" its ", " their ") if count > 1 else words


def in_present(doing: str, plural: bool) -> str:
    """ "standing" -> "stands", or "stand" of several; "" where that cannot be said."""
    verb, _, rest = doing.partition(" ")
    if verb not in BASES:
        return ""
    base = BASES[verb]
    third = "flies" if base == "fly" else base + ("es" if base.endswith("ch") else "s")
    return f"{base if plural else third} {rest}".strip()


def setting_phrase(rng: np.random.Generator, scene: SceneGraph, habit: float = 0.0) -> str:
    return choose(rng, SETTINGS[scene.setting].phrases, habit)


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
