"""The table of entities: one row a kind of thing, its OpenMoji picture and where it is found.

Columns: key, codepoint, recolour family, placement, height, settings (`name` or `name:weight`).
Rows of `SECONDARY` only stand beside something; the others can be what a picture is about. What
they are called is in `words`.
"""

from __future__ import annotations

from emoji_scenes.scenes.catalogue import Entity
from emoji_scenes.scenes.words import POSTURES, WORDS

Row = tuple[str, str, str, str, float, str]

# fmt: off
PEOPLE: tuple[Row, ...] = (
    ("surfer", "1F3C4", "", "water", .42, "sea"),
    ("swimmer", "1F3CA", "", "water", .30, "sea lake"),
    ("rower", "1F6A3", "", "water", .40, "lake:2 sea"),
    ("cyclist", "1F6B4", "", "ground", .46, "street:2 park city mountains"),
    ("runner", "1F3C3", "", "ground", .46, "park:2 street beach city"),
    ("walker", "1F6B6", "", "ground", .48, "street city park beach forest"),
    ("skier", "26F7", "", "ground", .44, "snow"),
    ("snowboarder", "1F3C2", "", "ground", .44, "snow"),
    ("golfer", "1F3CC", "", "ground", .46, "park:2 farm"),
    ("jockey", "1F3C7", "", "ground", .46, "farm park"),
    ("weightlifter", "1F3CB", "", "ground", .48, "gym:2 park"),
    ("basketball_player", "26F9", "", "ground", .48, "gym:2 street"),
    ("gymnast", "1F938", "", "ground", .46, "gym park beach"),
    ("juggler", "1F939", "", "ground", .46, "city park"),
    ("dancer", "1F483", "yellow", "ground", .48, "living_room city beach"),
    ("climber", "1F9D7", "", "ground", .48, "mountains gym"),
    ("yogi", "1F9D8", "", "ground", .42, "beach living_room park"),
)

ANIMALS: tuple[Row, ...] = (
    ("dog", "1F415", "", "ground", .40, "park:2 living_room garden beach street"),
    ("cat", "1F408", "", "ground", .38, "living_room:2 garden bedroom street"),
    ("horse", "1F40E", "", "ground", .46, "farm:2 mountains beach"),
    ("cow", "1F404", "", "ground", .44, "farm:3 mountains"),
    ("pig", "1F416", "", "ground", .38, "farm"),
    ("sheep", "1F411", "", "ground", .38, "farm:2 mountains"),
    ("goat", "1F410", "", "ground", .40, "mountains farm"),
    ("rabbit", "1F407", "", "ground", .36, "garden park snow"),
    ("duck", "1F986", "", "water", .30, "lake"),
    ("swan", "1F9A2", "", "water", .36, "lake"),
    ("rooster", "1F413", "", "ground", .38, "farm:2 garden"),
    ("elephant", "1F418", "", "ground", .50, "desert forest"),
    ("giraffe", "1F992", "", "ground", .52, "desert forest"),
    ("zebra", "1F993", "", "ground", .44, "desert farm"),
    ("tiger", "1F405", "", "ground", .40, "forest"),
    ("monkey", "1F412", "", "ground", .42, "forest"),
    ("camel", "1F42A", "", "ground", .46, "desert:3"),
    ("penguin", "1F427", "", "ground", .38, "snow"),
    ("flamingo", "1F9A9", "", "ground", .46, "beach"),
    ("deer", "1F98C", "", "ground", .44, "forest:2 mountains snow"),
    ("turtle", "1F422", "", "ground", .30, "beach desert garden"),
    ("whale", "1F40B", "", "water", .40, "sea"),
    ("dolphin", "1F42C", "", "water", .36, "sea"),
    ("parrot", "1F99C", "dark_red", "ground", .42, "forest garden"),
    ("kangaroo", "1F998", "", "ground", .46, "desert"),
    ("bird", "1F426", "brown", "ground", .34, "garden park"),
    ("squirrel", "1F43F", "", "ground", .36, "forest park"),
)

VEHICLES: tuple[Row, ...] = (
    ("car", "1F697", "red", "ground", .36, "street:3 city mountains"),
    ("taxi", "1F695", "", "ground", .36, "city:2 street"),
    ("bus", "1F68C", "red", "ground", .40, "city:2 street"),
    ("truck", "1F69A", "white", "ground", .38, "street:2 city"),
    ("tractor", "1F69C", "green", "ground", .42, "farm:3"),
    ("bicycle", "1F6B2", "red", "ground", .38, "street park city"),
    ("motorcycle", "1F3CD", "red", "ground", .38, "street:2 desert"),
    ("scooter", "1F6F5", "red", "ground", .38, "street city"),
    ("train", "1F682", "charcoal", "ground", .40, "mountains farm desert"),
    ("fire_engine", "1F692", "", "ground", .38, "street city"),
    ("racing_car", "1F3CE", "dark_red", "ground", .30, "street"),
    ("helicopter", "1F681", "red", "sky", .34, "mountains city sea"),
    ("airplane", "1F6E9", "", "sky", .36, "sea mountains desert farm"),
    ("sailboat", "26F5", "", "water", .44, "sea lake:2"),
    ("speedboat", "1F6A4", "white", "water", .34, "sea lake"),
    ("canoe", "1F6F6", "dark_blue", "water", .30, "lake"),
    ("rocket", "1F680", "red", "sky", .38, "desert"),
)

FOOD: tuple[Row, ...] = (
    ("pizza", "1F355", "", "table", .38, "restaurant:2 kitchen"),
    ("hamburger", "1F354", "", "table", .36, "restaurant"),
    ("sandwich", "1F96A", "", "table", .34, "restaurant kitchen office"),
    ("hot_dog", "1F32D", "", "table", .34, "restaurant"),
    ("cake", "1F382", "yellow", "table", .42, "kitchen restaurant"),
    ("doughnut", "1F369", "yellow", "table", .34, "kitchen office"),
    ("salad", "1F957", "", "table", .36, "restaurant kitchen"),
    ("banana", "1F34C", "", "table", .36, "kitchen"),
    ("apple", "1F34E", "red", "table", .34, "kitchen office"),
    ("pineapple", "1F34D", "", "table", .44, "kitchen"),
    ("coffee", "2615", "white", "table", .34, "office:2 restaurant"),
    ("teapot", "1FAD6", "grey", "table", .36, "kitchen"),
    ("ice_cream", "1F368", "", "table", .36, "restaurant"),
)

HOUSEHOLD: tuple[Row, ...] = (
    ("sofa", "1F6CB", "blue", "ground", .42, "living_room:3"),
    ("bed", "1F6CF", "blue", "ground", .40, "bedroom:4"),
    ("chair", "1FA91", "yellow", "ground", .44, "living_room bedroom garden"),
    ("television", "1F4FA", "", "ground", .40, "living_room"),
    ("teddy_bear", "1F9F8", "", "ground", .40, "bedroom:2 living_room"),
    ("suitcase", "1F9F3", "brown", "ground", .40, "bedroom street city"),
    ("laptop", "1F4BB", "", "table", .38, "office:3 kitchen"),
    ("telephone", "260E", "red", "table", .34, "office:2"),
    ("book", "1F4D5", "dark_red", "table", .36, "office:2"),
    ("guitar", "1F3B8", "red", "ground", .46, "living_room bedroom"),
    ("drum", "1F941", "red", "ground", .38, "living_room gym"),
    ("tent", "26FA", "yellow", "ground", .42, "forest mountains:2 desert beach"),
    ("snowman", "26C4", "", "ground", .44, "snow:2"),
    ("umbrella", "26F1", "red", "ground", .46, "beach:3"),
    ("house", "1F3E0", "white", "ground", .46, "farm mountains snow"),
    ("parachute", "1FA82", "", "sky", .40, "mountains desert sea"),
    ("kite", "1FA81", "pink", "sky", .38, "beach park"),
)

SECONDARY: tuple[Row, ...] = (
    ("ball", "26BD", "white", "ground", .20, "park beach garden street gym"),
    ("basketball", "1F3C0", "orange", "ground", .20, "gym:3 street park"),
    ("skateboard", "1F6F9", "dark_blue", "ground", .25, "street city"),
    ("backpack", "1F392", "red", "ground", .24, "mountains forest park bedroom gym city"),
    ("handbag", "1F45C", "dark_brown", "ground", .22, "city living_room beach"),
    ("bucket", "1FAA3", "blue", "ground", .22, "beach:2 farm garden"),
    ("basket", "1F9FA", "brown", "ground", .24, "park garden farm"),
    ("gift", "1F381", "yellow", "ground", .22, "living_room bedroom"),
    ("balloon", "1F388", "red", "sky", .26, "park city beach street"),
    ("tree", "1F333", "", "ground", .36, "park street farm garden city"),
    ("pine", "1F332", "", "ground", .36, "forest mountains snow"),
    ("palm", "1F334", "", "ground", .36, "beach desert"),
    ("cactus", "1F335", "", "ground", .30, "desert:3"),
    ("tulip", "1F337", "orange", "ground", .24, "garden:2 park"),
    ("rose", "1F339", "red", "ground", .24, "garden"),
    ("sunflower", "1F33B", "", "ground", .28, "farm garden"),
    ("mushroom", "1F344", "red", "ground", .22, "forest:2"),
    ("mailbox", "1F4EB", "blue", "ground", .28, "street garden farm"),
    ("traffic_light", "1F6A6", "", "ground", .32, "street city"),
    ("stop_sign", "1F6D1", "", "ground", .26, "street"),
    ("rock", "1FAA8", "", "ground", .22, "mountains desert beach"),
    ("log", "1FAB5", "", "ground", .20, "forest farm"),
    ("campfire", "1F525", "", "ground", .24, "forest mountains"),
    ("sled", "1F6F7", "blue", "ground", .26, "snow:3"),
    ("shell", "1F41A", "pink", "ground", .18, "beach"),
    ("crab", "1F980", "red", "ground", .20, "beach"),
    ("potted_plant", "1FAB4", "", "ground", .28, "living_room bedroom city"),
    ("yarn", "1F9F6", "", "ground", .18, "living_room bedroom"),
    ("fountain", "26F2", "", "ground", .32, "city park"),
    ("hat", "1F3A9", "", "ground", .22, "bedroom living_room"),
    ("boot", "1F97E", "brown", "ground", .20, "mountains bedroom"),
    ("fish", "1F41F", "blue", "water", .20, "sea lake"),
    ("buoy", "1F6DF", "red", "water", .20, "sea lake"),
    ("lotus", "1FAB7", "pink", "water", .20, "lake"),
    ("butterfly", "1F98B", "blue", "sky", .20, "garden park farm forest"),
    ("eagle", "1F985", "", "sky", .24, "mountains desert lake sea"),
    ("dove", "1F54A", "white", "sky", .22, "city sea street beach snow"),
    ("small_plane", "2708", "", "sky", .24, "city desert mountains snow"),
    ("fork", "1F374", "", "table", .24, "restaurant"),
    ("glass", "1F377", "", "table", .28, "restaurant"),
    ("soda", "1F964", "white", "table", .28, "restaurant office"),
    ("bottle", "1F37E", "", "table", .30, "restaurant kitchen"),
    ("vase", "1F3FA", "orange", "table", .28, "kitchen"),
    ("candle", "1F56F", "", "table", .26, "restaurant kitchen"),
    ("bouquet", "1F490", "", "table", .28, "restaurant kitchen office"),
    ("tomato", "1F345", "", "table", .20, "kitchen"),
    ("lemon", "1F34B", "", "table", .20, "kitchen"),
    ("strawberry", "1F353", "", "table", .20, "kitchen restaurant"),
    ("carrot", "1F955", "", "table", .22, "kitchen"),
    ("bread", "1F35E", "", "table", .24, "kitchen restaurant"),
    ("knife", "1F52A", "", "table", .25, "kitchen"),
    ("bowl", "1F963", "white", "table", .24, "kitchen"),
    ("mouse", "1F5B1", "", "table", .18, "office:2"),
    ("clock", "23F0", "", "table", .24, "office"),
    ("cell_phone", "1F4F1", "", "table", .22, "office restaurant"),
    ("scissors", "2702", "red", "table", .22, "office"),
    ("glasses", "1F453", "", "table", .18, "office"),
)
# fmt: on

_CATEGORIES = (
    ("person", PEOPLE),
    ("animal", ANIMALS),
    ("vehicle", VEHICLES),
    ("food", FOOD),
    ("furniture", HOUSEHOLD),
)


def _plural(name: str) -> str:
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _split(names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = [name.split("/") for name in names.split("|") if name]
    singulars = tuple(pair[0] for pair in pairs)
    return singulars, tuple(pair[1] if len(pair) > 1 else _plural(pair[0]) for pair in pairs)


_BOTH = frozenset(
    (
        *("dog", "cat", "bird", "bicycle", "car", "sailboat", "kite", "chair", "tent", "umbrella"),
        *("duck", "scooter", "guitar", "teddy_bear", "rabbit", "rooster", "apple", "coffee"),
        *("banana", "book"),
    )
)
"""Main entities that also stand beside others."""


def _entity(row: Row, category: str, role: str) -> Entity:
    key, codepoint, recolour, placement, height, places = row
    names, generic, activities = WORDS[key]
    singulars, plurals = _split(names)
    if role == "main":
        activities = activities or POSTURES[category]
    weights = (place.split(":") for place in places.split())
    return Entity(
        key=key,
        codepoint=codepoint,
        names=singulars,
        plurals=plurals,
        generic=_split(generic)[0],
        activities=tuple(activities.split("|")) if activities else (),
        recolour=recolour or None,
        category=category,
        placement=placement,
        height=height,
        settings={w[0]: float(w[1]) if len(w) > 1 else 1.0 for w in weights},
        roles=frozenset({role, "secondary"} if key in _BOTH else {role}),
    )


ENTITIES: dict[str, Entity] = {
    row[0]: _entity(row, category, "main") for category, rows in _CATEGORIES for row in rows
} | {row[0]: _entity(row, "thing", "secondary") for row in SECONDARY}
"""All entities by key."""
