"""Draws scenes: what is in a picture, where it stands, and what is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np

from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS, Entity
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Box, Relation, SceneGraph, Thing
from emoji_scenes.scenes.layout import Placed, place
from gegcore.errors import ConfigError

T = TypeVar("T")

FAMILY_SIZE = 5
"""Consecutive pictures that share the main entity and the setting."""

OFFSETS = {"train": 0, "val": 1_000_000, "test": 2_000_000, "web": 3_000_000}
"""First image id of every split. "web" trains CLIP and the detector, never a captioner."""

SPLIT_SIZE = 1_000_000
"""Most images of a split: the next id belongs to the next split."""

_TIMES = (("day", 0.62), ("sunset", 0.2), ("night", 0.18))
_WEATHERS = (("clear", 0.55), ("cloudy", 0.2), ("rainy", 0.15), ("snowy", 0.1))
_COUNTS = ((1, 0.74), (2, 0.17), (3, 0.09))
_EXTRAS = ((1, 0.3), (2, 0.45), (3, 0.25))
_SIZES = (("small", 0.2), ("medium", 0.55), ("large", 0.25))


@dataclass(frozen=True)
class _Family:
    """What the pictures of a family share."""

    entity: Entity
    setting: str
    shared: str
    """One more attribute that they share: "colour", "time", "weather", "count" or "extras"."""
    seed: np.random.SeedSequence


@dataclass(frozen=True)
class _Attributes:
    """What may differ within a family."""

    colour: str | None
    time: str
    weather: str
    count: int
    size: str
    extras: list[tuple[Entity, str | None]]


def sample_scene(seed: int, split: str, index: int) -> SceneGraph:
    """Scene `index` of a split: a pure function of its arguments, whatever the corpus size.

    Raises:
        ConfigError: unknown split, a position outside it, or a negative seed.
    """
    if split not in OFFSETS:
        raise ConfigError(f"unknown split '{split}'", f"use one of: {', '.join(OFFSETS)}")
    if not 0 <= index < SPLIT_SIZE:
        raise ConfigError(
            f"split '{split}' has no scene {index}", f"use positions from 0 to {SPLIT_SIZE - 1}"
        )
    if seed < 0:
        raise ConfigError(f"the seed {seed} of the world is negative", "use a seed of 0 or more")
    family_id = OFFSETS[split] // FAMILY_SIZE + index // FAMILY_SIZE
    family = _sample_family(seed, family_id)
    member = np.random.SeedSequence([seed, family_id, 1 + index % FAMILY_SIZE])
    rng, shared = np.random.default_rng(member), np.random.default_rng(family.seed)
    common, own = _attributes(shared, family), _attributes(rng, family)
    chosen = replace(own, **{family.shared: getattr(common, family.shared)})
    if family.shared == "extras":
        first = common.extras[0]
        others = [extra for extra in own.extras if extra[0] != first[0]]
        chosen = replace(own, extras=[first, *others][: max(1, len(own.extras))])
    placed = place(
        rng,
        family.setting,
        family.entity,
        chosen.size,
        chosen.count,
        [entity for entity, _ in chosen.extras],
    )
    return _graph(OFFSETS[split] + index, family_id, family, chosen, placed)


def _sample_family(seed: int, family_id: int) -> _Family:
    sequence = np.random.SeedSequence([seed, family_id, 0])
    rng = np.random.default_rng(sequence)
    mains = _mains()
    entity = mains[int(rng.integers(len(mains)))]
    places = list(entity.settings)
    weights = np.array(list(entity.settings.values()))
    setting = places[int(rng.choice(len(places), p=weights / weights.sum()))]
    shared = ("colour", "time", "weather", "count", "extras")[int(rng.integers(5))]
    return _Family(entity, setting, shared, sequence.spawn(1)[0])


@cache
def _mains() -> tuple[Entity, ...]:
    return tuple(e for e in ENTITIES.values() if "main" in e.roles)


@cache
def _secondaries(setting: str) -> tuple[tuple[Entity, ...], np.ndarray]:
    there = tuple(e for e in ENTITIES.values() if "secondary" in e.roles and setting in e.settings)
    weights = np.array([e.settings[setting] for e in there])
    return there, weights / weights.sum()


def _pick(rng: np.random.Generator, options: Sequence[tuple[T, float]]) -> T:
    values, weights = zip(*options, strict=True)
    return values[int(rng.choice(len(values), p=np.array(weights)))]


def _attributes(rng: np.random.Generator, family: _Family) -> _Attributes:
    """One full draw of everything that may differ within a family."""
    setting = SETTINGS[family.setting]
    weather = _pick(rng, _WEATHERS)
    if setting.indoors or family.setting == "desert":
        weather = "clear"
    elif weather == "snowy" and family.setting in ("beach", "sea", "lake"):
        weather = "rainy"
    elif family.setting == "snow" and weather == "rainy":
        weather = "snowy"
    return _Attributes(
        colour=_colour(rng, family.entity),
        time=_pick(rng, _TIMES),
        weather=weather,
        count=_pick(rng, _COUNTS),
        size=_pick(rng, _SIZES),
        extras=_extras(rng, family),
    )


def _extras(rng: np.random.Generator, family: _Family) -> list[tuple[Entity, str | None]]:
    """Distinct secondary entities with their colours, none of them the main one."""
    there, weights = _secondaries(family.setting)
    usable = np.array([e.key != family.entity.key for e in there])
    weights = weights * usable / (weights * usable).sum()
    number = min(_pick(rng, _EXTRAS), int(usable.sum()))
    chosen = rng.choice(len(there), size=number, replace=False, p=weights)
    return [(there[int(i)], _colour(rng, there[int(i)])) for i in chosen]


def _colour(rng: np.random.Generator, entity: Entity) -> str | None:
    if entity.recolour is None:
        return None
    return list(COLOURS)[int(rng.integers(len(COLOURS)))]


def _graph(
    image_id: int,
    family_id: int,
    family: _Family,
    chosen: _Attributes,
    placed: Placed,
) -> SceneGraph:
    main = Thing(family.entity.key, chosen.colour, chosen.size, placed.mains[0])
    things = [replace(main, box=box) for box in placed.mains]
    relations = []
    for (entity, colour), box in zip(chosen.extras, placed.extras, strict=True):
        if box is None:
            continue
        relations.append(Relation(len(things), _predicate(entity, box, placed.mains), 0))
        things.append(Thing(entity.key, colour, "small", box))
    return SceneGraph(
        image_id,
        family_id,
        family.setting,
        chosen.time,
        chosen.weather,
        len(placed.mains),
        tuple(things),
        tuple(relations),
    )


def _predicate(entity: Entity, box: Box, mains: tuple[Box, ...]) -> str:
    """Where a thing is, seen from the main things: read off the boxes, so it is always true."""
    if entity.placement == "sky" and (box[1] + box[3]) / 2 < min(m[1] for m in mains):
        return "above"
    centre = (box[0] + box[2]) / 2
    if centre < min(m[0] for m in mains):
        return "left of"
    if centre > max(m[2] for m in mains):
        return "right of"
    return "in front of" if box[3] > max(m[3] for m in mains) else "behind"
