"""Simulated annotators: accurate and generic captions, as people write them (Sec. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph


@dataclass(frozen=True)
class AnnotatorModel:
    """How often an average annotator mentions what; each one strays from it by habit.

    The rates are calibrated so that reference captions find their image among 1,000 about as often
    as COCO's do (Table 1: R@1 of 30.4), see notebook 01.
    """

    synonym: float = 0.22
    hypernym: float = 0.03
    activity: float = 0.66
    setting: float = 0.92
    colour: float = 0.38
    size: float = 0.08
    secondary: float = 0.66
    second_secondary: float = 0.06
    secondary_colour: float = 0.22
    ambience: float = 0.2


_STYLES = ("plain", "there", "is", "front", "picture", "that")
_HABITS = (
    (0.50, 0.08, 0.20, 0.08, 0.04, 0.10),
    (0.40, 0.22, 0.16, 0.10, 0.02, 0.10),
    (0.34, 0.10, 0.34, 0.08, 0.02, 0.12),
    (0.44, 0.10, 0.12, 0.12, 0.12, 0.10),
    (0.38, 0.16, 0.24, 0.06, 0.04, 0.12),
)
"""Share of each style of sentence, one row an annotator."""
_VERBOSITY = (0.75, 0.9, 1.0, 1.1, 1.25)
_PICTURE = ("a picture of", "a photo of", "an image of", "a view of")


def human_captions(
    scene: SceneGraph, seed: int, n: int = 5, model: AnnotatorModel | None = None
) -> tuple[str, ...]:
    """What `n` annotators say of a scene; everything said is true of the scene graph.

    Deterministic in (seed, image id, annotator).
    """
    model = model or AnnotatorModel()
    return tuple(
        _caption(np.random.default_rng([seed, scene.image_id, 11, k]), scene, model, k % 5)
        for k in range(n)
    )


def _caption(rng: np.random.Generator, scene: SceneGraph, model: AnnotatorModel, who: int) -> str:
    detail = _VERBOSITY[who]
    style = _STYLES[int(rng.choice(len(_STYLES), p=_HABITS[who]))]
    main = scene.main
    subject = p.noun_phrase(
        rng,
        main,
        p.name_of(rng, ENTITIES[main.entity], model.synonym, model.hypernym),
        scene.count,
        colour=rng.random() < model.colour * detail,
        size=rng.random() < model.size * detail,
    )
    doing = p.activity(rng, main, scene.count) if rng.random() < model.activity else ""
    extra = _extras(rng, scene, model, detail)
    place = p.setting_phrase(rng, scene) if rng.random() < model.setting else ""
    if not (doing or extra or place):
        place = p.setting_phrase(rng, scene)  # nobody writes just "a dog"
    mood = p.choose(rng, p.ambience(rng, scene)) if rng.random() < model.ambience * detail else ""
    plural = p.is_plural(main, scene.count, subject)
    return _sentence(rng, style, subject, doing, extra, place, mood, plural)


def _extras(
    rng: np.random.Generator, scene: SceneGraph, model: AnnotatorModel, detail: float
) -> str:
    """Mention of one secondary thing, rarely of two, or ""."""
    others = list(range(scene.count, len(scene.things)))
    rng.shuffle(others)
    wanted = int(rng.random() < model.secondary * detail)
    wanted += int(wanted and rng.random() < model.second_secondary * detail)
    said: list[str] = []
    for index in others[:wanted]:
        thing = scene.things[index]
        words = p.noun_phrase(
            rng,
            thing,
            p.name_of(rng, ENTITIES[thing.entity], model.synonym, model.hypernym),
            colour=rng.random() < model.secondary_colour * detail,
        )
        relation = p.relation_of(scene, index).predicate
        if said or rng.random() < 0.25:
            said.append(f"{'and' if said else 'with'} {words}")
        else:
            said.append(f"{p.choose(rng, p.RELATIONS[relation])} {words}")
    return " ".join(said)


def _sentence(
    rng: np.random.Generator,
    style: str,
    subject: str,
    doing: str,
    extra: str,
    place: str,
    mood: str,
    plural: bool,
) -> str:
    be = "are" if plural else "is"
    tail = [part for part in (extra, place, mood) if part]
    if len(tail) > 1 and extra and rng.random() < 0.35:
        tail = [part for part in (place, extra, mood) if part]
    if style == "there":
        words = [f"there {be}", subject, doing, *tail]
    elif style == "is" and (doing or tail):
        words = [subject, be, doing, *tail]
    elif style == "that" and doing:
        words = [subject, f"that {be}", doing, *tail]
    elif style == "front" and place:
        rest = [part for part in (extra, mood) if part]
        words = [place, f"there {be}", subject, doing, *rest]
    elif style == "picture":
        words = [p.choose(rng, _PICTURE), subject, doing, *tail]
    else:
        words = [subject, doing, *tail]
    return " ".join(word for word in words if word)
