"""Web texts for training CLIP: detailed, noisy and wrong ones. Captioners never see them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.annotators import human_captions
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Relation, SceneGraph

HABIT = 0.4
"""Of names: the web uses rare ones more often than annotators do (`AnnotatorModel.habit`)."""
NOISY_CAPTIONS = 0.3
"""Share of captions in the annotators' style among the noisy texts."""

_OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "in front of",
    "in front of": "behind",
    "behind": "in front of",
}


def alt_texts(scene: SceneGraph, seed: int, n: int = 4) -> tuple[str, ...]:
    """Clean texts that name every thing, colour, size and relation, the place, time and weather."""
    return tuple(
        _alt_text(np.random.default_rng([seed, scene.image_id, 23, k]), scene) for k in range(n)
    )


def _alt_text(rng: np.random.Generator, scene: SceneGraph, kept: float = 1.0) -> str:
    """One text; with `kept` < 1 each detail is mentioned with that chance only."""

    def keep() -> bool:
        return bool(rng.random() < kept)

    main = scene.main
    subject = p.noun_phrase(
        rng,
        main,
        p.name_of(rng, ENTITIES[main.entity], HABIT),
        scene.count,
        colour=keep(),
        size=keep(),
    )
    doing = p.activity(rng, main, scene.count) if rng.random() < 0.6 * kept else ""
    things = [
        _described(rng, scene, index, colour=keep())
        for index in range(scene.count, len(scene.things))
        if keep()
    ]
    place = p.setting_phrase(rng, scene) if keep() else ""
    moods = [m for m in p.ambience(rng, scene) if keep()]
    extras = f"with {_listed(things)}" if things else ""
    orders = (
        [subject, doing, place, *moods, extras],
        [subject, doing, *moods, place, extras],
        [subject, doing, extras, place, *moods],
        [place, *moods, subject, doing, extras],
    )
    return " ".join(part for part in p.choose(rng, orders) if part)


def _described(rng: np.random.Generator, scene: SceneGraph, index: int, colour: bool) -> str:
    thing = scene.things[index]
    words = p.noun_phrase(rng, thing, p.name_of(rng, ENTITIES[thing.entity], HABIT), colour=colour)
    where = p.choose(rng, p.WITH[p.relation_of(scene, index).predicate])
    return f"{words} {where}"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def noisy_alt_text(scene: SceneGraph, seed: int, k: int) -> str:
    """Text as the web has it: partial, short, tagged, cut, with words dropped. All of it true."""
    rng = np.random.default_rng([seed, scene.image_id, 29, k])
    kind = rng.random()
    if kind < NOISY_CAPTIONS:
        return human_captions(scene, seed + 101, n=5)[int(rng.integers(5))]
    if kind < 0.62:
        return _alt_text(rng, scene, kept=float(rng.uniform(0.35, 0.8)))
    if kind < 0.74:
        return _tags(rng, scene)
    words = _alt_text(rng, scene).split()
    if kind < 0.9:
        kept = [word for word in words if rng.random() > 0.15]
        return " ".join(kept or words)
    return " ".join(words[: int(rng.integers(max(4, len(words) // 2), len(words) + 1))])


def _tags(rng: np.random.Generator, scene: SceneGraph) -> str:
    """A list of keywords, as under stock pictures."""
    tags = [
        f"{thing.colour or ''} {p.choose(rng, ENTITIES[thing.entity].names)}".strip()
        for thing in (scene.main, *scene.secondary)
    ]
    tags += [p.choose(rng, SETTINGS[scene.setting].nouns), scene.time]
    rng.shuffle(tags)
    return ", ".join(tags[: int(rng.integers(3, len(tags) + 1))])


def hard_negative(scene: SceneGraph, seed: int, k: int) -> str:
    """A fluent detailed text that is wrong in one or two details."""
    rng = np.random.default_rng([seed, scene.image_id, 31, k])
    wrong = scene
    while wrong == scene:
        for _ in range(1 + int(rng.random() < 0.3)):
            wrong = _falsified(rng, wrong)
    return _alt_text(rng, wrong)


def _falsified(rng: np.random.Generator, scene: SceneGraph) -> SceneGraph:
    """The scene with one detail changed, or unchanged where that detail does not exist."""
    kind = p.choose(
        rng,
        ("colour", "colour", "thing", "thing", "setting", "count", "relation", "time", "weather"),
    )
    if kind == "colour":
        return _recoloured(rng, scene)
    if kind == "thing":
        return _swapped(rng, scene)
    if kind == "setting":
        indoors = SETTINGS[scene.setting].indoors
        others = [
            s.key for s in SETTINGS.values() if s.key != scene.setting and s.indoors == indoors
        ]
        return replace(scene, setting=p.choose(rng, others))
    if kind == "count":
        return _recounted(scene, p.choose(rng, [n for n in (1, 2, 3) if n != scene.count]))
    if kind == "relation" and scene.relations:
        at = int(rng.integers(len(scene.relations)))
        old = scene.relations[at]
        new = Relation(old.subject, _OPPOSITE[old.predicate], old.object)
        return replace(scene, relations=(*scene.relations[:at], new, *scene.relations[at + 1 :]))
    if kind == "time":
        others = [t for t in p.TIMES if t != scene.time]
        return replace(scene, time=p.choose(rng, others))
    if kind == "weather" and not SETTINGS[scene.setting].indoors:
        others = [w for w in p.WEATHERS if w != scene.weather]
        return replace(scene, weather=p.choose(rng, others))
    return scene


def _recounted(scene: SceneGraph, count: int) -> SceneGraph:
    """Another number of main things; their boxes no longer matter, the graph is only worded."""
    shift = count - scene.count
    relations = tuple(Relation(r.subject + shift, r.predicate, r.object) for r in scene.relations)
    things = (*[scene.main] * count, *scene.secondary)
    return replace(scene, count=count, things=things, relations=relations)


def _recoloured(rng: np.random.Generator, scene: SceneGraph) -> SceneGraph:
    coloured = [i for i, thing in enumerate(scene.things) if thing.colour is not None]
    if not coloured:
        return scene
    at = p.choose(rng, coloured)
    colour = p.choose(rng, [c for c in COLOURS if c != scene.things[at].colour])
    same = range(scene.count) if at < scene.count else (at,)
    things = tuple(
        replace(t, colour=colour) if i in same else t for i, t in enumerate(scene.things)
    )
    return replace(scene, things=things)


def _swapped(rng: np.random.Generator, scene: SceneGraph) -> SceneGraph:
    """Another secondary thing that could be there too."""
    others = range(scene.count, len(scene.things))
    if not others:
        return scene
    at = p.choose(rng, others)
    present = {thing.entity for thing in scene.things}
    possible = [
        e
        for e in ENTITIES.values()
        if scene.setting in e.settings and "secondary" in e.roles and e.key not in present
    ]
    if not possible:
        return scene
    entity = p.choose(rng, possible)
    colour = p.choose(rng, list(COLOURS)) if entity.recolour else None
    things = list(scene.things)
    things[at] = replace(things[at], entity=entity.key, colour=colour)
    return replace(scene, things=tuple(things))
