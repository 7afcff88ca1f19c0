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
from emoji_scenes.scenes.catalogue import SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.facts import atoms_of
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.parse import facts_of
from emoji_scenes.scenes.sampler import sample_scene
from emoji_scenes.scenes.words import EPITHETS

scenes = st.builds(
    sample_scene,
    st.integers(0, 3),
    st.sampled_from(["train", "val", "test", "web"]),
    st.integers(0, 50_000),
)
GRAMMAR = {
    *("a", "an", "some", "is", "are", "there", "that", "with", "and", "of"),
    *("shot", "image", "picture", "photo", "close", "up"),
    *(
        word
        for table in (p.RELATIONS, p.INVERSE, p.WITH, {"": p.NEARBY})
        for phrases in table.values()
        for phrase in phrases
        for word in phrase.split()
    ),
    *(word for words in EPITHETS.values() for word in words.split("|")),
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


def doings_of(scene: SceneGraph) -> list[str]:
    """What the main thing may be said to do, in every form."""
    count = scene.count
    said = ENTITIES[scene.main.entity].activities
    said = tuple(a.replace(" its ", " their ") if count > 1 else a for a in said)
    present = [p.in_present(a, several) for a in said for several in {count > 1, True}]
    return [*said, *filter(None, present)]


def places_of(scene: SceneGraph) -> list[str]:
    setting = SETTINGS[scene.setting]
    return [*setting.phrases, *setting.views]


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
    true = [*true_moods(scene), *places_of(scene), *doings_of(scene)]
    true += [name for thing in scene.things for name in names_of(thing.entity)]
    true += [thing.colour for thing in scene.things if thing.colour is not None]
    true += {"large": list(p.LARGE), "small": list(p.SMALL), "medium": []}[scene.main.size]
    true += p.NUMBERS.get(scene.count, ())
    for caption in human_captions(scene, seed=1):
        rest = set(without(caption, true).split()) - {"#"}
        assert rest <= GRAMMAR, (caption, rest - GRAMMAR)


@settings(deadline=None, max_examples=50)
@given(scenes)
def test_every_fact_of_a_caption_is_true(scene: SceneGraph) -> None:
    """Relations of the right things among them; alt-texts have tests of their own."""
    true = atoms_of(scene)
    for caption in (*human_captions(scene, seed=2), *alt_texts(scene, seed=2)):
        wrong = [fact for fact in facts_of(caption) if not fact.atoms & true]
        assert not wrong, (caption, wrong)


def test_second_things_are_related_as_the_graph_says() -> None:
    said = [
        (scene, fact)
        for scene, captions in zip(corpus(), captions_of(), strict=True)
        for caption in captions
        for fact in facts_of(caption)
        if fact.kind == "relation"
    ]
    assert len(said) > 0.4 * 5 * len(corpus())
    assert all(fact.atoms & atoms_of(scene) for scene, fact in said)
    others = [*corpus()[1:], corpus()[0]]
    chance = np.mean([bool(f.atoms & atoms_of(o)) for (s, f), o in zip(said, others, strict=False)])
    assert chance < 0.2, "a relation that is true of any picture says nothing"


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
    assert max(there) > 1.5 * min(there) > 0 and max(there) < 0.1
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
    assert np.mean(own) > 0.1 and np.mean(own) > 3 * np.mean(stranger)


def test_salient_things_are_named_far_more_often_than_details() -> None:
    model = AnnotatorModel()
    shares: dict[str, list[bool]] = {"main": [], "setting": [], "secondary": []}
    for scene, captions in zip(corpus(), captions_of(model), strict=True):
        for caption in captions:
            place = without(caption, places_of(scene))
            shares["setting"].append(place != caption)
            shares["main"].append(without(place, names_of(scene.main.entity)) != place)
            others = [n for thing in scene.secondary for n in names_of(thing.entity)]
            if others:
                shares["secondary"].append(without(place, others) != place)
    said = {key: np.mean(values) for key, values in shares.items()}
    assert said["main"] > 0.995, "but for names that are a part of the place's"
    # As in COCO, the second thing is a part of the sentence as often as the place.
    assert said["setting"] > 0.7 and said["secondary"] > 0.7
    colours = [
        scene.main.colour is not None and scene.main.colour in caption.split()
        for scene, captions in zip(corpus(), captions_of(model), strict=True)
        for caption in captions
    ]
    assert np.mean(colours) < 0.3 * said["secondary"]


def test_annotators_agree_on_the_second_thing() -> None:
    """Most mention the one that all see first, the largest."""
    first, other = 0, 0
    for scene, captions in zip(corpus(), captions_of(AnnotatorModel(hypernym=0)), strict=True):
        if len(scene.secondary) < 2:
            continue
        ranked = sorted(scene.secondary, key=lambda t: _area(t.box), reverse=True)
        for caption in captions:
            first += without(caption, names_of(ranked[0].entity)) != caption
            other += without(caption, names_of(ranked[1].entity)) != caption
    assert first > 2.5 * other > 0


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def shares(model: AnnotatorModel) -> dict[str, float]:
    """What captions have: per caption, or as a share of captions."""
    found: dict[str, list[float]] = {}
    for scene, captions in zip(corpus(), captions_of(model), strict=True):
        for caption in captions:
            facts = facts_of(caption)
            for kind in ("colour", "size", "activity", "setting", "mood", "relation"):
                found.setdefault(kind, []).append(sum(f.kind == kind for f in facts))
            found.setdefault("and", []).append(" and " in caption)
            common = ENTITIES[scene.main.entity].name
            found.setdefault("common name", []).append(without(caption, [common]) != caption)
    return {key: float(np.mean(values)) for key, values in found.items()}


RATES = {
    "habit": ("common name", 3.0),
    "hypernym": ("common name", -1.0),
    "activity": ("activity", 1.0),
    "setting": ("setting", 1.0),
    "colour": ("colour", 1.0),
    "size": ("size", 1.0),
    "secondary": ("relation", 1.0),
    "second_secondary": ("and", 1.0),
    "secondary_colour": ("colour", 1.0),
    "ambience": ("mood", 1.0),
}
"""Rate of the model -> what it raises, by its sign, when it goes from 0 to this size."""


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_of_the_model_is_obeyed(rate: str) -> None:
    what, size = RATES[rate]
    off, on = (shares(replace(AnnotatorModel(), **{rate: r})) for r in (0.0, abs(size)))
    assert np.sign(size) * (on[what] - off[what]) > 0.05


def test_rates_of_wording_are_obeyed() -> None:
    def text(**rates: float) -> str:
        captions = captions_of(replace(AnnotatorModel(), **rates))
        return " ".join(caption for five in captions for caption in five)

    taste = re.compile(rf"\b({EPITHETS['animal']})\b")
    assert len(taste.findall(text(epithet=1.0))) > 5 * len(taste.findall(text(epithet=0.02)))
    stands = re.compile(r"\b(stands|walks|grazes|swims)\b")
    assert not stands.search(text(present=0.0))
    assert len(stands.findall(text(present=0.8))) > 30


def test_no_rate_is_left_untested() -> None:
    others = {"epithet", "present", "salient"}
    assert {f.name for f in fields(AnnotatorModel)} == {*RATES, *others}


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
