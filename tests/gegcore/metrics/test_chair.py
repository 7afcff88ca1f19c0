"""CHAIR by hand, and what must hold of it for any captions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gegcore.errors import DataError
from gegcore.metrics.chair import ImageObjects, chair_metric, chair_scores
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import bootstrap

CAPTIONS = [
    "a man and a dog on a couch",  # the couch is in a reference, the dog nowhere
    "a cat and a cat and a bird",  # two mentions of one false object
    "a hot dog on a plate",
    "grass",  # no object
    "a bike",  # either of two, one of which is there
]
REFERENCES = [["a man on a sofa", "somebody"], ["a bird"], ["food"], ["green"], ["wheels"]]
MARKED = [["person"], [], ["hot dog", "dining table"], ["cow"], ["motorcycle"]]


def values(scores: Scores) -> dict[str, float]:
    return {name: each.value() for name, each in scores.statistics.items()}


def test_by_hand() -> None:
    found = chair_scores(CAPTIONS, REFERENCES, MARKED)
    # Mentions: 3, 3, 1, 0, 1; hallucinated: the dog, both cats.
    assert values(found) == {"CHAIR-s": pytest.approx(40), "CHAIR-i": pytest.approx(300 / 8)}
    each = found.per_caption
    assert each["objects"].tolist() == [3, 3, 1, 0, 1]
    assert each["CHAIR-s"].tolist() == [100, 100, 0, 0, 0]
    assert each["CHAIR-i"] == pytest.approx([100 / 3, 200 / 3, 0, 0, 0])
    assert each["hallucinated"].tolist() == ["dog", "cat, cat", "", "", ""]


def test_intervals_are_those_of_a_ratio_of_sums() -> None:
    """Not of a mean over captions: a resample weighs captions by their mentions."""
    found = chair_scores(CAPTIONS, REFERENCES, MARKED).statistics["CHAIR-i"]
    assert found.parts.tolist() == [[1, 3], [2, 3], [0, 1], [0, 0], [0, 1]]
    draw = np.array([2.0, 0, 0, 1, 2])  # how often each image is drawn
    assert float(found.finish(draw @ found.parts)) == pytest.approx(100 * 2 / 8)
    low, high = bootstrap({"CHAIR-i": found}, resamples=500)["CHAIR-i"][1:3]
    assert 0 <= low < 300 / 8 < high <= 100


def test_without_any_mention_there_is_no_ratio() -> None:
    found = chair_scores(["grass", ""], [["a dog"], ["a cat"]], [[], []])
    assert values(found) == {"CHAIR-s": 0}
    assert found.missing == {"CHAIR-i": "no caption mentions one of COCO's objects"}


def test_captions_as_written_and_the_signature() -> None:
    said = {7: "A man, a DOG; on a Couch!", 8: "A cat."}
    truth = {7: ["Somebody on a sofa."], 8: ["Nothing."]}
    objects = ImageObjects({7: frozenset(["dog"]), 8: frozenset(), 9: frozenset()}, "x.json@0123")
    found = chair_metric(objects, MetricInputs(said, truth))
    assert values(found) == {"CHAIR-s": 50, "CHAIR-i": 25}
    assert found.signature["CHAIR-s"] == found.signature["CHAIR-i"]
    assert found.signature["CHAIR-i"].startswith("objects of x.json@0123 or in a reference, found")
    with pytest.raises(DataError, match="no instances of 1 captioned images: 5"):
        chair_metric(objects, MetricInputs({5: "a dog"}, {5: ["a dog"]}))


TEXTS = st.lists(
    st.sampled_from(
        [*("a", "and", "of", "baby", "hot", "dog", "dogs", "cat", "train", "station", "orange")]
        + [*("bike", "bicycle", "computer", "mouse", "couple", "men", "grass", "teddy", "bear")]
    ),
    max_size=8,
).map(" ".join)
IMAGES = st.lists(
    st.tuples(
        TEXTS,
        st.lists(TEXTS, min_size=1, max_size=3),
        st.lists(st.sampled_from(["person", "dog", "cat", "train", "bicycle", "bear"]), max_size=3),
    ),
    min_size=1,
    max_size=5,
)


def scored(images: list[tuple[str, list[str], list[str]]]) -> Scores:
    return chair_scores(*zip(*images, strict=True))


@given(IMAGES)
def test_they_are_shares(images: list[tuple[str, list[str], list[str]]]) -> None:
    found = scored(images)
    for value in [*values(found).values(), *found.per_caption["CHAIR-i"]]:
        assert 0 <= value <= 100
    assert (found.per_caption["CHAIR-i"] > 0).tolist() == (
        found.per_caption["CHAIR-s"] > 0
    ).tolist()


@given(IMAGES, st.data())
def test_more_references_or_objects_never_raise_them(
    images: list[tuple[str, list[str], list[str]]], data: st.DataObject
) -> None:
    richer = [
        (text, [*truth, data.draw(TEXTS)], [*there, *data.draw(st.sampled_from([["dog"], []]))])
        for text, truth, there in images
    ]
    before, after = values(scored(images)), values(scored(richer))
    assert all(after[name] <= before[name] for name in before)


@given(IMAGES, st.randoms(use_true_random=False))
def test_order_does_not_matter(
    images: list[tuple[str, list[str], list[str]]], random: object
) -> None:
    shuffled = images.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = [(text, truth[::-1], there[::-1]) for text, truth, there in shuffled]
    assert values(scored(turned)) == pytest.approx(values(scored(images)))


@given(IMAGES)
def test_a_reference_never_hallucinates(images: list[tuple[str, list[str], list[str]]]) -> None:
    found = scored([(truth[-1], truth, there) for _, truth, there in images])
    assert set(values(found).values()) == {0.0}
