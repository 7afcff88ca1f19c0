"""The scene graph: the complete truth about one picture of the embedded world."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the picture's width and height, y down."""


@dataclass(frozen=True)
class Thing:
    """One object in the picture.

    Attributes:
        entity: key into the catalogue of entities.
        colour: a colour name where the sprite was recoloured, else None (natural colours).
        size: "small", "medium" or "large" for its kind.
        box: tight box of the drawn pixels.
    """

    entity: str
    colour: str | None
    size: str
    box: Box


@dataclass(frozen=True)
class Relation:
    """`things[subject]` stands in relation `predicate` to `things[object]`."""

    subject: int
    predicate: str
    object: int


@dataclass(frozen=True)
class SceneGraph:
    """Everything that is true of one picture.

    Attributes:
        image_id: unique over all splits of a world.
        family: pictures of one family share the main entity and the setting and differ in details.
        setting: key into the catalogue of settings, e.g. "beach".
        time: "day", "sunset" or "night".
        weather: "clear", "cloudy", "rainy" or "snowy" ("clear" indoors).
        count: how many copies of the main entity there are; they are `things[:count]`.
        things: main entity first, then secondary objects.
        relations: between secondary objects and the main entity (index 0).
    """

    image_id: int
    family: int
    setting: str
    time: str
    weather: str
    count: int
    things: tuple[Thing, ...]
    relations: tuple[Relation, ...]

    @property
    def main(self) -> Thing:
        return self.things[0]

    @property
    def secondary(self) -> tuple[Thing, ...]:
        return self.things[self.count :]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> SceneGraph:
        things = tuple(Thing(**{**t, "box": tuple(t["box"])}) for t in data["things"])
        relations = tuple(Relation(**r) for r in data["relations"])
        return SceneGraph(**{**data, "things": things, "relations": relations})
