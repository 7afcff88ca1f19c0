"""COCO's 80 objects in captions: names, plurals, compounds, and words that mean something else."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gegcore.metrics import objects
from gegcore.metrics.objects import object_words, plural_of
from gegcore.metrics.ptb import tokenize_without_java

COCO = Path(__file__).parents[4] / "shared" / "coco" / "references_karpathy_test.json"
TABLE = yaml.safe_load(Path(objects.__file__).with_name("coco_objects.yaml").read_text())

# COCO's own numbers of its categories have gaps; their order, and these places in it, are known.
PLACES = {0: "person", 1: "bicycle", 14: "bird", 24: "backpack", 39: "bottle", 56: "chair"}
PLURALS = {"knife": "knives", "person": "people", "sheep": "sheep", "skis": "skis", "tv": "TVs"}
PLURALS |= {"scissors": "scissors", "mouse": "mice", "bus": "buses", "broccoli": "broccoli"}


def said(caption: str) -> list[str]:
    """Objects that a caption mentions."""
    (tokens,) = tokenize_without_java([caption])
    return [" or ".join(sorted(each)) for each in object_words().mentions(tokens)]


def test_the_categories_are_cocos_in_its_order() -> None:
    names = object_words().categories
    assert len({*names}) == 80 and names[-1] == "toothbrush"
    assert {place: names[place] for place in PLACES} == PLACES


@pytest.mark.parametrize("name", object_words().categories)
def test_each_name_and_its_plural_mean_itself(name: str) -> None:
    article = "an" if name[0] in "aeiou" else "a"
    assert said(f"{article} {name}") == [name]
    assert said(f"A photo of {article} {name.upper()}.") == [name]
    assert said(f"two {PLURALS.get(name, plural_of(name))} in a field") == [name]


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a hot dog beside a dog", ["hot dog", "dog"]),
        ("hot-dogs and hotdogs", ["hot dog", "hot dog"]),
        ("a dog house and a birdhouse", []),
        ("a man sits on a toilet seat", ["person", "toilet"]),
        ("a roll of toilet paper", []),
        ("a teddy bear and a polar bear", ["teddy bear", "bear"]),
        ("a passenger train with a passenger", ["train", "person"]),
        ("a train station beside train tracks", []),
        ("people wait at the bus stop", ["person"]),
        ("a player slides into home plate", ["person"]),
        ("a red double-decker bus", ["bus"]),
        ("a laptop computer on a computer desk", ["laptop", "dining table"]),
        ("a computer mouse and a computer keyboard", ["mouse", "keyboard"]),
        ("a motor bike and a mountain bike", ["motorcycle", "bicycle"]),
        ("a tabby cat", ["cat"]),
        ("a bow tie and a neck-tie", ["tie", "tie"]),
        ("a glass of wine and two wine glasses", ["wine glass", "wine glass"]),
        ("a piece of carrot cake", ["cake"]),
        ("apple pie and orange juice", []),
        ("a fire truck at a fire hydrant", ["truck", "fire hydrant"]),
        ("catcher's mitts", ["baseball glove"]),
        ("a clock tower", ["clock"]),
        ("a horse drawn carriage", ["horse"]),
    ],
)
def test_compounds(caption: str, found: list[str]) -> None:
    assert said(caption) == found


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("a baby elephant", ["elephant"]),
        ("an adult and a baby", ["person", "person"]),
        ("a mother and baby giraffe", ["giraffe"]),
        ("a mother and her baby", ["person", "person"]),
        ("adult and young brown bears", ["bear"]),
        ("a baby", ["person"]),
        ("a baby and", ["person"]),
        ("a child and dog", ["person", "dog"]),
        ("a baby, young or small", ["person"]),
        ("a male lion", []),
        ("a baby with a cat", ["person", "cat"]),
        ("baby carrots", ["carrot"]),
        ("a couple of zebras", ["zebra"]),
        ("a couple riding a horse", ["person", "horse"]),
        ("a couple elephants", ["elephant"]),
        ("a male tennis player", ["person"]),
        ("a pitcher of beer", []),
        ("the pitcher throws", ["person"]),
        ("a policeman on a police horse", ["person", "horse"]),
    ],
)
def test_people_and_what_only_sounds_like_them(caption: str, found: list[str]) -> None:
    assert said(caption) == found


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("an orange cat", ["cat"]),
        ("an orange and white cat", ["cat"]),
        ("a man in orange", ["person"]),
        ("an orange on a plate", ["orange"]),
        ("sliced oranges", ["orange"]),
        ("boys playing baseball", ["person"]),
        ("he throws a baseball.", ["sports ball"]),
        ("a baseball game", []),
        ("glasses and a glass door", []),
        ("a skier on a ski slope", ["person"]),
        ("a plate, a board and a plant", []),
        ("a remote village", []),
        ("a remote on a couch", ["remote", "couch"]),
        ("Mickey Mouse", []),
        ("a bike", ["bicycle or motorcycle"]),
        ("a desktop computer", ["laptop or tv"]),
    ],
)
def test_words_with_other_meanings(caption: str, found: list[str]) -> None:
    assert said(caption) == found


def test_no_word_stands_in_two_rows() -> None:
    rows = {**TABLE["objects"], **TABLE["either"]}
    rows |= {name: TABLE[name] for name in ("nothing", "other animals")}
    places, items = defaultdict(set), Counter[str]()
    for name, text in rows.items():
        items.update(objects._items(text))
        for item in objects._items(text):
            for form, _ in objects._forms(item):
                places[form].add(name)
    assert {form: names for form, names in places.items() if len(names) > 1} == {}
    assert [item for item, count in items.items() if count > 1 or not item] == []
    known = {*TABLE["objects"], "other animals"}
    assert {name for text in TABLE["either"] for name in objects._items(text)} <= known
    assert {x for row in TABLE["qualifiers"] for x in objects._items(row["before"])} <= known


WORDS = st.sampled_from(sorted({*object_words().terms, "and", "x", "of", "red"}))


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8))
def test_a_word_that_is_unknown_separates(one: list[str], other: list[str]) -> None:
    mentions = object_words().mentions
    assert mentions(" ".join([*one, "xyzzy", "xyzzy", *other])) == [
        *mentions(" ".join([*one, "xyzzy"])),
        *mentions(" ".join(other)),
    ]


@pytest.mark.skipif(not COCO.is_file(), reason="needs ../shared/coco, which is not distributed")
def test_references_of_coco_name_its_objects() -> None:
    """Every category is mentioned in 25,000 references, and most references mention one."""
    references = json.loads(COCO.read_text())
    tokens = tokenize_without_java([text for texts in references.values() for text in texts])
    mentions = [object_words().mentions(text) for text in tokens]
    counts = Counter(name for each in mentions for means in each for name in means)
    assert {*counts} == {*object_words().categories}
    assert counts.most_common(2)[0][0] == "person"
    assert sum(map(bool, mentions)) > 0.9 * len(mentions)
