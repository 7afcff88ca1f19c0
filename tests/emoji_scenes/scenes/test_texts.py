"""Captions are true and generic; alt-texts are complete; wrong texts are wrong."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emoji_scenes.scenes.alttext import alt_texts, hard_negative, noisy_alt_text
from emoji_scenes.scenes.annotators import AnnotatorModel, human_captions
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.phrases import article
from emoji_scenes.scenes.sampler import sample_scene

scenes = st.builds(sample_scene, st.just(0), st.just("train"), st.integers(0, 20_000))
CORPUS = [sample_scene(0, "train", i) for i in range(2_000)]


def says(text: str, words: str) -> bool:
    return re.search(rf"\b{re.escape(words)}\b", text) is not None


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_captions_name_only_what_is_there(scene: SceneGraph) -> None:
    coloured = {thing.colour for thing in scene.things}
    own_words = " ".join(
        name
        for thing in scene.things
        for name in (*ENTITIES[thing.entity].names, *ENTITIES[thing.entity].plurals)
    )
    for caption in human_captions(scene, seed=0):
        for colour in COLOURS:
            if says(caption, colour) and not says(own_words, colour):
                assert colour in coloured or says(caption, f"{colour} sky"), caption
        for key, setting in SETTINGS.items():
            if key != scene.setting:
                shared = SETTINGS[scene.setting].phrases
                assert not any(
                    caption.endswith(f" {p}") for p in setting.phrases if p not in shared
                ), caption
        if scene.count == 1:
            others = caption.replace("two wheeler", "")
            assert not says(others, "two") and not says(others, "three"), caption


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_captions_are_lower_case_words(scene: SceneGraph) -> None:
    for caption in human_captions(scene, seed=3):
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", caption), caption
        assert not re.search(r"\b(\w+) \1\b", caption), caption
        assert not re.search(r"\ba [aeiou]", caption), caption


def test_captions_are_like_those_of_people() -> None:
    captions = [c for scene in CORPUS for c in human_captions(scene, seed=0)]
    lengths = np.array([len(caption.split()) for caption in captions])
    assert 8 <= lengths.mean() <= 12
    counts = Counter(word for caption in captions for word in caption.split())
    assert sum(count >= 5 for count in counts.values()) >= 400
    details = np.mean([any(says(c, colour) for colour in COLOURS) for c in captions])
    assert 0.05 < details < 0.45  # generic: most people do not mention colours


def test_captions_do_not_depend_on_how_many_are_asked_for() -> None:
    scene = CORPUS[3]
    assert human_captions(scene, 0, n=5)[:2] == human_captions(scene, 0, n=2)
    quiet = AnnotatorModel(colour=0, secondary=0, ambience=0, size=0)
    assert all(
        not says(c, colour)
        for c in human_captions(scene, 0, model=quiet)
        for colour in COLOURS
        if not any(says(n, colour) for n in ENTITIES[scene.main.entity].names)
    )


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_alt_texts_mention_every_colour(scene: SceneGraph) -> None:
    for text in alt_texts(scene, seed=0):
        for thing in scene.things:
            assert thing.colour is None or says(text, thing.colour), text


@settings(deadline=None, max_examples=50)
@given(scenes, st.integers(0, 5))
def test_web_texts_are_repeatable_and_short_enough(scene: SceneGraph, k: int) -> None:
    assert noisy_alt_text(scene, 0, k) == noisy_alt_text(scene, 0, k) != ""
    assert hard_negative(scene, 0, k) == hard_negative(scene, 0, k) != ""
    assert max(len(text.split()) for text in alt_texts(scene, 0)) <= 46


def test_articles() -> None:
    assert article("umbrella") == "an umbrella"
    assert article("red car") == "a red car"
    assert article("scissors") == "some scissors"
    assert article("pair of scissors") == "a pair of scissors"
