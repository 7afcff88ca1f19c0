"""Simulated annotators say nothing false, differ from each other, and follow their rates."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.alttext import alt_texts, hard_negative, noisy_alt_text
from emoji_scenes.scenes.annotators import AnnotatorModel, human_captions
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.sampler import sample_scene

scenes = st.builds(
    sample_scene,
    st.integers(0, 3),
    st.sampled_from(["train", "val", "test", "web"]),
    st.integers(0, 50_000),
)
GRAMMAR = {
    *("a", "an", "some", "is", "are", "there", "that", "with", "and", "of"),
    *("view", "image", "picture", "photo"),
    *(word for phrases in p.RELATIONS.values() for phrase in phrases for word in phrase.split()),
}
"""Words of the sentences themselves, which claim nothing but relations."""


@cache
def corpus() -> tuple[SceneGraph, ...]:
    """One picture of each of 500 families."""
    return tuple(sample_scene(0, "train", 5 * k) for k in range(500))


@cache
def captions_of(model: AnnotatorModel | None = None) -> tuple[tuple[str, ...], ...]:
    return tuple(human_captions(scene, 0, model=model) for scene in corpus())


def names_of(entity_key: str) -> list[str]:
    entity = ENTITIES[entity_key]
    generic = [form for g in entity.generic for form in (g, f"{g}s", f"{g}es")]
    return [*entity.names, *entity.plurals, *generic]


def without(text: str, said: list[str]) -> str:
    """`text` with every one of the phrases taken out, longest first."""
    for phrase in sorted(said, key=len, reverse=True):
        text = re.sub(rf"(?<!\S){re.escape(phrase)}(?!\S)", "#", text)
    return text


def true_moods(scene: SceneGraph) -> list[str]:
    return sorted({m for k in range(40) for m in p.ambience(np.random.default_rng(k), scene)})


def mentions(captions: tuple[str, ...], words: tuple[str, ...]) -> float:
    """Share of captions with one of the words."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b")
    return float(np.mean([bool(pattern.search(caption)) for caption in captions]))


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_nothing_is_said_that_the_graph_does_not_say(scene: SceneGraph) -> None:
    """Take everything true out of a caption, and only grammar is left."""
    main = ENTITIES[scene.main.entity]
    doing = [a.replace(" its ", " their ") if scene.count > 1 else a for a in main.activities]
    true = [*true_moods(scene), *SETTINGS[scene.setting].phrases, *doing]
    true += [name for thing in scene.things for name in names_of(thing.entity)]
    true += [thing.colour for thing in scene.things if thing.colour is not None]
    true += {"large": list(p.LARGE), "small": list(p.SMALL), "medium": []}[scene.main.size]
    true += p.NUMBERS.get(scene.count, ())
    for caption in human_captions(scene, seed=1):
        rest = set(without(caption, true).split()) - {"#"}
        assert rest <= GRAMMAR, (caption, rest - GRAMMAR)


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_relations_are_said_of_the_right_things(scene: SceneGraph) -> None:
    expected = {word: key for key, words in p.RELATIONS.items() for word in words}
    expected |= {word: "beside" for key in ("left of", "right of") for word in p.RELATIONS[key]}
    pattern = re.compile(rf"(?<!\S)({'|'.join(sorted(expected, key=len, reverse=True))}) (.+)")
    model = AnnotatorModel(secondary=2.0, second_secondary=0, setting=0, hypernym=0)
    for caption in human_captions(scene, seed=2, model=model):
        # "Under a cloudy sky", "in front of a mountain" and "passing by" are no relations.
        doing = ENTITIES[scene.main.entity].activities
        no_relations = [*true_moods(scene), *SETTINGS[scene.setting].phrases, *doing]
        found = pattern.search(without(caption, no_relations))
        if found is None:
            continue
        relation, words = expected[found[1]], found[2]
        actual = {
            "beside" if r.predicate in ("left of", "right of") else r.predicate
            for r in scene.relations
            for name in ENTITIES[scene.things[r.subject].entity].names
            if re.search(rf"\b{re.escape(name)}\b", words)
        }
        assert relation in actual, caption


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_verbs_agree_and_nobody_names_a_bare_thing(scene: SceneGraph) -> None:
    other = "is" if scene.count > 1 else "are"
    for caption in human_captions(scene, seed=4):
        assert not re.search(rf"\b{other}\b(?! raining| snowing)", without(caption, ["it is"]))
        assert len(caption.split()) >= 3, caption


def test_five_annotators_have_habits() -> None:
    by_annotator = list(zip(*captions_of(), strict=True))
    assert len(by_annotator) == 5
    lengths = [np.mean([len(c.split()) for c in captions]) for captions in by_annotator]
    assert lengths[0] == min(lengths) and lengths[4] == max(lengths)
    assert lengths[4] - lengths[0] > 1
    there = [np.mean([c.startswith("there ") for c in captions]) for captions in by_annotator]
    assert max(there) > 1.5 * min(there) > 0
    repeated = np.mean([len(set(captions)) < 5 for captions in captions_of()])
    assert repeated < 0.1


def test_references_of_an_image_share_words_in_a_row() -> None:
    """What CIDEr-D lives on, as in COCO: references agree with each other, not with others'."""

    def pairs(caption: str) -> set[tuple[str, str]]:
        words = caption.split()
        return set(zip(words, words[1:], strict=False))

    def overlap(a: str, b: str) -> float:
        return len(pairs(a) & pairs(b)) / min(len(pairs(a)), len(pairs(b)))

    own = [overlap(a, b) for captions in captions_of() for a, b in combinations(captions, 2)]
    stranger = [
        overlap(a, b)
        for one, other in zip(captions_of(), captions_of()[7:], strict=False)
        for a, b in zip(one, other, strict=True)
    ]
    assert np.mean(own) > 0.2 > 4 * np.mean(stranger)


def test_salient_things_are_named_far_more_often_than_details() -> None:
    model = AnnotatorModel()
    shares: dict[str, list[bool]] = {"main": [], "setting": [], "secondary": []}
    for scene, captions in zip(corpus(), captions_of(model), strict=True):
        for caption in captions:
            place = without(caption, list(SETTINGS[scene.setting].phrases))
            shares["setting"].append(place != caption)
            shares["main"].append(without(place, names_of(scene.main.entity)) != place)
            others = [n for thing in scene.secondary for n in names_of(thing.entity)]
            if others:
                shares["secondary"].append(without(place, others) != place)
    said = {key: np.mean(values) for key, values in shares.items()}
    assert said["main"] == 1
    assert said["main"] > said["setting"] > said["secondary"] > 0.3


WORDS = {
    "colour": tuple(COLOURS),
    "size": (*p.LARGE, *p.SMALL),
    "secondary": ("with", "next to", "beside", "near", "close to", "by", "behind", "beneath"),
    "ambience": ("daytime", "daylight", "during", "dusk", "sunset", "evening", "night", "sky"),
    "hypernym": ("animal", "vehicle", "bird", "food", "furniture", "device", "toy", "plant"),
    "activity": ("standing", "walking", "parked", "running", "riding", "flying", "sitting"),
    "setting": tuple(phrase for s in SETTINGS.values() for phrase in s.phrases),
    "second_secondary": ("and",),
    "synonym": ("puppy", "kitty", "bunny", "tortoise", "person", "plane", "sofa", "lorry"),
}


@pytest.mark.parametrize("detail", WORDS)
def test_every_rate_of_the_model_is_obeyed(detail: str) -> None:
    flat = {
        rate: tuple(c for captions in captions_of(model) for c in captions)
        for rate in (0.0, 1.0)
        for model in [replace(AnnotatorModel(hypernym=0, synonym=0), **{detail: rate})]
    }
    assert mentions(flat[1.0], WORDS[detail]) > mentions(flat[0.0], WORDS[detail]) + 0.02


def test_secondary_colour_is_obeyed() -> None:
    quiet = AnnotatorModel(colour=0, secondary_colour=0)
    loud = replace(quiet, secondary_colour=1.0)
    few, many = (
        mentions(tuple(c for cs in captions_of(m) for c in cs), tuple(COLOURS))
        for m in (quiet, loud)
    )
    assert many > few + 0.1


def test_no_rate_is_left_untested() -> None:
    assert {f.name for f in fields(AnnotatorModel)} == {*WORDS, "secondary_colour"}


def test_seeds_images_and_annotators_all_matter() -> None:
    scene = corpus()[1]
    assert human_captions(scene, 0) == human_captions(scene, 0)
    assert human_captions(scene, 0) != human_captions(scene, 1)
    moved = replace(scene, image_id=scene.image_id + 1)
    assert human_captions(scene, 0) != human_captions(moved, 0)
    assert len(set(human_captions(scene, 0, n=10))) > 3
    assert human_captions(scene, 0, n=0) == ()


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_another_process_writes_the_same_captions(hash_seed: str) -> None:
    program = (
        "import json;"
        "from emoji_scenes.scenes.sampler import sample_scene;"
        "from emoji_scenes.scenes.annotators import human_captions;"
        "from emoji_scenes.scenes.alttext import alt_texts, hard_negative, noisy_alt_text;"
        "ss = [sample_scene(3, 'web', i) for i in range(15)];"
        "print(json.dumps([[*human_captions(s, 3), *alt_texts(s, 3), hard_negative(s, 3, 1),"
        " noisy_alt_text(s, 3, 1)] for s in ss]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    here = [
        [*human_captions(s, 3), *alt_texts(s, 3), hard_negative(s, 3, 1), noisy_alt_text(s, 3, 1)]
        for s in (sample_scene(3, "web", i) for i in range(15))
    ]
    assert json.loads(done.stdout) == here
