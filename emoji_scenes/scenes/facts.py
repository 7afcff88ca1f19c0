"""What is true of a scene, as atoms: the smallest things that a caption can say of a picture.

| atom | means |
|---|---|
| `("thing", ENTITY)` | there is one |
| `("count", ENTITY, "2")` | there are that many |
| `("colour", ENTITY, COLOUR)`, `("size", ENTITY, SIZE)` | one of them has it |
| `("activity", WORDS)` | a thing is there that may be said to do this |
| `("setting", KEY)`, `("time", KEY)`, `("weather", KEY)` | of the whole picture |
| `("relation", PREDICATE, ENTITY)` | how a secondary thing stands to the main one |
"""

from __future__ import annotations

from collections import Counter

from emoji_scenes.scenes.catalogue import SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph

Atom = tuple[str, ...]


def atoms_of(scene: SceneGraph) -> frozenset[Atom]:
    """Everything that is true of a scene."""
    found: set[Atom] = set(details_of(scene))
    for entity, count in Counter(thing.entity for thing in scene.things).items():
        found.add(("count", entity, str(count)))
        found |= {("activity", words) for words in ENTITIES[entity].activities}
    for thing in scene.things:
        if thing.size != "medium":
            found.add(("size", thing.entity, thing.size))
    return frozenset(found)


def details_of(scene: SceneGraph) -> frozenset[Atom]:
    """What a complete description of a scene says: a caption's recall is measured against it.

    Things with their colours, more than one main thing, relations, place, time, and the weather
    outdoors. Not what the main thing does: the picture doesn't show which of its activities.
    """
    found: set[Atom] = {("setting", scene.setting), ("time", scene.time)}
    if not SETTINGS[scene.setting].indoors:
        found.add(("weather", scene.weather))
    if scene.count > 1:
        found.add(("count", scene.main.entity, str(scene.count)))
    for thing in scene.things:
        found.add(("thing", thing.entity))
        if thing.colour is not None:
            found.add(("colour", thing.entity, thing.colour))
    for relation in scene.relations:
        found.add(("relation", relation.predicate, scene.things[relation.subject].entity))
    return frozenset(found)
