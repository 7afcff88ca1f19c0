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
        phrases: with preposition, as in captions ("at the beach").
        nouns: bare names for lists of tags.
        indoors: whether it has walls; weather is then "clear" and time shows in the window.
        placements: what can stand here.
    """

    key: str
    phrases: tuple[str, ...]
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


def _setting(key: str, phrases: str, nouns: str, placements: str, indoors: bool = False) -> Setting:
    return Setting(
        key,
        tuple(phrases.split("|")),
        tuple(nouns.split("|")),
        indoors,
        frozenset(placements.split()),
    )


SETTINGS: dict[str, Setting] = {
    s.key: s
    for s in (
        _setting(
            "beach",
            "at the beach|on a sandy beach|by the ocean|on the shore",
            "beach|sand|shore",
            "ground sky",
        ),
        _setting(
            "sea",
            "in the ocean|at sea|in the water|on the open sea",
            "ocean|sea|waves",
            "water sky",
        ),
        _setting(
            "lake",
            "on a lake|on a calm lake|in a mountain lake|on the water",
            "lake|water",
            "water sky",
        ),
        _setting(
            "park",
            "in a park|in the park|on the grass|in a grassy park",
            "park|grass|lawn",
            "ground sky",
        ),
        _setting(
            "street",
            "on the street|on a city street|on the road|down the road",
            "street|road",
            "ground sky",
        ),
        _setting(
            "city",
            "in the city|in a city square|in front of tall buildings|downtown",
            "city|buildings|skyline",
            "ground sky",
        ),
        _setting(
            "forest",
            "in the forest|in the woods|among the trees|in a forest clearing",
            "forest|woods|trees",
            "ground sky",
        ),
        _setting(
            "mountains",
            "in the mountains|in front of a mountain|near some mountains|in a mountain valley",
            "mountains|hills|valley",
            "ground sky",
        ),
        _setting(
            "snow",
            "in the snow|on a snowy slope|on a snowy hill|on snow covered ground",
            "snow|slope|winter",
            "ground sky",
        ),
        _setting(
            "desert",
            "in the desert|on the sand dunes|in a dry desert|among the dunes",
            "desert|dunes",
            "ground sky",
        ),
        _setting(
            "farm",
            "on a farm|in a field|in a grassy field|near a barn",
            "farm|field|barn",
            "ground sky",
        ),
        _setting(
            "garden",
            "in a garden|in the yard|in the backyard|next to a wooden fence",
            "garden|yard|fence",
            "ground sky",
        ),
        _setting(
            "kitchen",
            "in the kitchen|on a kitchen counter|in a kitchen|on the counter",
            "kitchen|counter",
            "table",
            indoors=True,
        ),
        _setting(
            "restaurant",
            "on a table|in a restaurant|on a dining table|at a cafe",
            "restaurant|table|cafe",
            "table",
            indoors=True,
        ),
        _setting(
            "living_room",
            "in the living room|in a living room|on the living room floor|in a house",
            "living room|home",
            "ground",
            indoors=True,
        ),
        _setting(
            "bedroom",
            "in a bedroom|in the bedroom|in a small room|on the bedroom floor",
            "bedroom|room",
            "ground",
            indoors=True,
        ),
        _setting(
            "office",
            "on a desk|in an office|at a desk|on an office desk",
            "office|desk",
            "table",
            indoors=True,
        ),
        _setting(
            "gym",
            "in a gym|in the gym|on a wooden floor|in a sports hall",
            "gym|sports hall",
            "ground",
            indoors=True,
        ),
    )
}
