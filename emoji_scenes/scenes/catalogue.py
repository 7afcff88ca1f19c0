"""What there is in the embedded world: kinds of things, colours, and places."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entity:
    """A kind of thing that can be in a picture.

    Attributes:
        key: unique name in scene graphs.
        codepoint: OpenMoji file stem of its picture.
        names: what people call it, the most common name first.
        plurals: plural of each name, in the same order.
        generic: hypernyms, e.g. ("animal",); may be empty.
        activities: what it may be said to do in the picture ("riding a wave"); may be empty.
        recolour: palette family of its picture that a colour may replace, None to keep it natural.
        category: "person", "animal", "vehicle", "food", "furniture", "plant", "toy" or "thing".
        placement: where it stands: "ground", "sky", "water" or "table".
        height: of the picture, as a fraction, when it is the main thing at medium size.
        settings: setting -> weight of finding it there as the main thing.
        roles: "main", "secondary" or both.
    """

    key: str
    codepoint: str
    names: tuple[str, ...]
    plurals: tuple[str, ...]
    generic: tuple[str, ...]
    activities: tuple[str, ...]
    recolour: str | None
    category: str
    placement: str
    height: float
    settings: dict[str, float]
    roles: frozenset[str]

    @property
    def name(self) -> str:
        return self.names[0]


@dataclass(frozen=True)
class Setting:
    """A kind of place.

    Attributes:
        key: unique name in scene graphs.
        phrases: with preposition, as in captions ("at the beach"), most common first.
        views: as what a picture shows ("a sandy beach").
        nouns: bare names for lists of tags.
        indoors: whether it has walls; weather is then "clear" and time shows in the window.
        placements: what can stand here.
    """

    key: str
    phrases: tuple[str, ...]
    views: tuple[str, ...]
    nouns: tuple[str, ...]
    indoors: bool
    placements: frozenset[str]


PALETTE: dict[str, tuple[str, str]] = {
    "red": ("#ea5a47", "#d22f27"),
    "blue": ("#92d3f5", "#61b2e4"),
    "green": ("#b1cc33", "#5c9e31"),
    "yellow": ("#fcea2b", "#f1b31c"),
    "purple": ("#b399c8", "#8967aa"),
    "grey": ("#d0cfce", "#9b9b9a"),
    "brown": ("#a57939", "#6a462f"),
    "orange": ("#f4aa41", "#e27022"),
    "pink": ("#ffa7c0", "#e67a94"),
    "white": ("#ffffff", "#d0cfce"),
    "dark_red": ("#d22f27", "#ea5a47"),
    "dark_blue": ("#61b2e4", "#92d3f5"),
    "dark_brown": ("#6a462f", "#a57939"),
    "dark_green": ("#186648", "#5c9e31"),
    "charcoal": ("#3f3f3f", "#222222"),
}
"""OpenMoji's own colours, light and shadow: what a recolouring replaces."""

COLOURS: dict[str, tuple[str, str]] = {
    "red": ("#e5402f", "#b5231c"),
    "blue": ("#4a9fe8", "#2a6fc0"),
    "green": ("#7fbf3a", "#468a2c"),
    "yellow": ("#fbe23a", "#e0a818"),
    "purple": ("#a878d0", "#7848a8"),
    "orange": ("#f79a32", "#d2691e"),
    "pink": ("#ff9fc0", "#e5688f"),
    "white": ("#fbfbfb", "#d5d5d5"),
    "black": ("#4a4a4e", "#2a2a2e"),
}
"""Colours that things are given, light and shadow."""


def _setting(key: str, views: str, phrases: str, nouns: str, placements: str) -> Setting:
    return Setting(
        key,
        tuple(phrases.split("|")),
        tuple(views.split("|")),
        tuple(nouns.split("|")),
        "sky" not in placements,
        frozenset(placements.split()),
    )


# fmt: off
SETTINGS: dict[str, Setting] = {
    s.key: s
    for s in (
        _setting("beach", "a beach|a sandy beach|a stretch of sand|an ocean beach",
                 "at the beach|on a sandy beach|on the beach|by the ocean|on the shore|on the sand|along the shoreline|near the ocean|at the seaside|on the coast",
                 "beach|sand|shore", "ground sky"),
        _setting("sea", "an ocean|a body of water|ocean waves|an open sea",
                 "in the ocean|at sea|in the water|on the open sea|in the waves|out at sea|in deep water|on the ocean|among the waves|in the sea",
                 "ocean|sea|waves", "water sky"),
        _setting("lake", "a lake|a calm lake|a pond|a mountain lake",
                 "on a lake|on a calm lake|in a mountain lake|on the water|in a pond|in calm water|across a lake|in the lake|in still water|on a quiet pond",
                 "lake|water", "water sky"),
        _setting("park", "a park|a grassy park|a grassy lawn|a public park",
                 "in a park|in the park|on the grass|in a grassy park|on a neat lawn|on the lawn|in a grassy area|at a park|in a public park|on mowed grass",
                 "park|grass|lawn", "ground sky"),
        _setting("street", "a street|a city street|a paved road|a wide road",
                 "on the street|on a city street|on the road|down the road|on a paved road|along the street|down a street|by the side of the road|on the pavement|in the roadway",
                 "street|road", "ground sky"),
        _setting("city", "a city|a city square|tall buildings|a downtown area",
                 "in the city|in a city square|in front of tall buildings|downtown|in a downtown area|in an urban area|near tall buildings|in town|by some skyscrapers|in a plaza",
                 "city|buildings|skyline", "ground sky"),
        _setting("forest", "a forest|a wooded area|the woods|a forest clearing",
                 "in the forest|in the woods|among the trees|in a forest clearing|in a wooded area|in a forest|by the woods|in a jungle|surrounded by trees|in a clearing",
                 "forest|woods|trees", "ground sky"),
        _setting("mountains", "mountains|a mountain valley|a mountain range|rocky peaks",
                 "in the mountains|in front of a mountain|near some mountains|in a mountain valley|below the mountains|by a mountain|in a valley|among the hills|in a mountain range|near rocky peaks",
                 "mountains|hills|valley", "ground sky"),
        _setting("snow", "a snowy slope|a snowy field|a snowy hill|a winter landscape",
                 "in the snow|on a snowy slope|on a snowy hill|on snow covered ground|on the snow|in a snowy field|on a ski slope|in a winter landscape|on fresh snow|in deep snow",
                 "snow|slope|winter", "ground sky"),
        _setting("desert", "a desert|sand dunes|a dry desert|a sandy plain",
                 "in the desert|on the sand dunes|in a dry desert|among the dunes|in a desert|on a dune|on dry ground|in a sandy plain|out in the desert|on a dusty plain",
                 "desert|dunes", "ground sky"),
        _setting("farm", "a farm|a grassy field|a pasture|a farm field",
                 "on a farm|in a field|in a grassy field|near a barn|in a pasture|by a barn|on farm land|in a farm field|on a ranch|in a meadow",
                 "farm|field|barn", "ground sky"),
        _setting("garden", "a garden|a yard|a backyard|a fenced yard",
                 "in a garden|in the yard|in the backyard|next to a wooden fence|in a yard|by a fence|in the garden|in a fenced yard|in a backyard|near a wooden fence",
                 "garden|yard|fence", "ground sky"),
        _setting("kitchen", "a kitchen|a kitchen counter|a counter top|a kitchen scene",
                 "in the kitchen|on a kitchen counter|in a kitchen|on the counter|on a counter top|on a counter|on the kitchen counter|on a countertop|on top of a counter|in a home kitchen",
                 "kitchen|counter", "table"),
        _setting("restaurant", "a table|a restaurant table|a dining table|a cafe table",
                 "on a table|in a restaurant|on a dining table|at a cafe|on a restaurant table|on the table|on top of a table|in a diner|on a wooden table|at a restaurant",
                 "restaurant|table|cafe", "table"),
        _setting("living_room", "a living room|a den|a room in a house|a family room",
                 "in the living room|in a living room|on the living room floor|in a house|in a family room|in a home|in a den|inside a house|on the rug|in the lounge area",
                 "living room|home", "ground"),
        _setting("bedroom", "a bedroom|a small bedroom|a small room|a kids room",
                 "in a bedroom|in the bedroom|in a small room|on the bedroom floor|in a small bedroom|in a kids room|inside a bedroom|in a cozy bedroom|on a bedroom carpet|in a room",
                 "bedroom|room", "ground"),
        _setting("office", "a desk|an office desk|a work desk|an office",
                 "on a desk|in an office|at a desk|on an office desk|on the desk|on a work desk|on top of a desk|on a desktop|in a home office|on a workspace",
                 "office|desk", "table"),
        _setting("gym", "a gym|a gymnasium|a sports hall|an indoor court",
                 "in a gym|in the gym|on a wooden floor|in a sports hall|in a gymnasium|on an indoor court|on a gym floor|on the court|at the gym|inside a gymnasium",
                 "gym|sports hall", "ground"),
    )
}
# fmt: on
