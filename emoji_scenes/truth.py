"""Are captions true? Only the embedded world can tell: its scene graphs are the whole truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from emoji_scenes.scenes.facts import Atom, atoms_of, details_of
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.parse import Fact, facts_of
from gegcore.errors import DataError
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

SIGNATURE = (
    "facts of captions by the tables of the embedded world, against scene graphs; a listener that "
    "guesses among the scenes of which most stated facts are true"
)


class Truth(NamedTuple):
    """Counts of M captions, all `(M,)`.

    Attributes:
        stated: facts that the caption states.
        true: those that are true of its own scene.
        details: what there is to say of its scene.
        covered: details that its facts name.
        listener: chance that the listener picks its scene among all.
    """

    stated: np.ndarray
    true: np.ndarray
    details: np.ndarray
    covered: np.ndarray
    listener: np.ndarray


def truth_metric(given: MetricInputs) -> Scores:
    """`truth_scores` of captions of scenes: what a profile of the embedded world names.

    Raises:
        DataError: the data set has no scene graphs.
    """
    records = given.dataset.records if given.dataset is not None else ()
    scenes = {r.image_id: SceneGraph.from_dict(r.scene) for r in records if r.scene is not None}
    return truth_scores(given.captions, scenes)


def truth_scores(captions: Mapping[Any, str], scenes: Mapping[Any, SceneGraph]) -> Scores:
    """How much of what captions say is true, how much of the truth they say, and what it is for.

    - "fact precision": per cent of the stated facts that are true; 100 less it is the hallucination
      rate. Objects, colours, numbers, sizes, activities, relations, place, time and weather.
    - "detail recall": per cent of the details of the scenes that are stated.
    - "facts": stated facts per caption.
    - "listener R@1": per cent of captions by which an oracle listener, which knows all scene
      graphs and understands every word, picks the right scene. It guesses among the scenes of
      which the largest number of stated facts is true.

    Args:
        captions: image id -> caption.
        scenes: image id -> scene graph, of all images among which the listener picks.

    Raises:
        DataError: no captions, or a captioned image has no scene graph.

    Source: CHAIR's idea (rohrbach2018chair), with all facts instead of objects.
    """
    found = count_truth(captions, scenes)
    return Scores(
        {
            "fact precision": Statistic.ratio(found.true, found.stated).scaled(100),
            "detail recall": Statistic.ratio(found.covered, found.details).scaled(100),
            "facts": Statistic.mean(found.stated),
            "listener R@1": Statistic.mean(100.0 * found.listener),
        },
        {
            "facts": found.stated,
            "true facts": found.true,
            "listener R@1": 100.0 * found.listener,
        },
        dict.fromkeys(("fact precision", "detail recall", "facts", "listener R@1"), SIGNATURE),
    )


def count_truth(captions: Mapping[Any, str], scenes: Mapping[Any, SceneGraph]) -> Truth:
    """The counts behind `truth_scores`.

    Raises:
        DataError: as there.
    """
    if not captions:
        raise DataError("there are no captions to check", "pass at least one caption")
    if unknown := [image for image in captions if image not in scenes]:
        raise DataError(
            f"{len(unknown)} captioned images have no scene graph, for example {unknown[0]!r}",
            "truth is known of the embedded world only: pass the scenes of this split",
        )
    position = {image: index for index, image in enumerate(scenes)}
    own = np.array([position[image] for image in captions])
    facts = [facts_of(caption) for caption in captions.values()]
    held = facts_that_hold(facts, scenes)  # (M, N)
    true = held[np.arange(len(own)), own]
    best = held == held.max(axis=1, keepdims=True)
    details = [details_of(scenes[image]) for image in captions]
    named = [frozenset[Atom]().union(*(fact.atoms for fact in of_one)) for of_one in facts]
    return Truth(
        stated=np.array([len(of_one) for of_one in facts]),
        true=true.astype(np.int64),
        details=np.array([len(there) for there in details]),
        covered=np.array([len(a & b) for a, b in zip(details, named, strict=True)]),
        listener=best[np.arange(len(own)), own] / best.sum(axis=1),
    )


def facts_that_hold(
    facts: Sequence[tuple[Fact, ...]], scenes: Mapping[Any, SceneGraph]
) -> np.ndarray:
    """Number of facts of caption m (`facts_of`) that are true of scene n, `(M, N)` int16."""
    holds_atom: dict[Atom, np.ndarray] = {}
    for column, scene in enumerate(scenes.values()):
        for atom in atoms_of(scene):
            holds_atom.setdefault(atom, np.zeros(len(scenes), dtype=bool))[column] = True
    holds: dict[frozenset[Atom], np.ndarray] = {}
    counts = np.zeros((len(facts), len(scenes)), dtype=np.int16)
    for row, of_one in enumerate(facts):
        for fact in of_one:
            if fact.atoms not in holds:
                known = [holds_atom[atom] for atom in fact.atoms if atom in holds_atom]
                nowhere = np.zeros(len(scenes), dtype=bool)
                holds[fact.atoms] = np.logical_or.reduce(known) if known else nowhere
            counts[row] += holds[fact.atoms]
    return counts
