"""Simulated annotators: accurate and generic captions, as people write them (Sec. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.catalogue import SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.graph import SceneGraph, Thing


@dataclass(frozen=True)
class AnnotatorModel:
    """How often an average annotator mentions what; each one strays from it by habit.

    As in COCO, annotators agree on what there is to say, two things and how they stand, and differ
    in how they say it: names, verbs, places and sentences. The rates are calibrated to COCO's
    captions, see notebook 01 and `emoji_scenes.calibration`.
    """

    habit: float = 1.05
    """How much more often common names and phrases are chosen than rare ones (Zipf's exponent)."""
    hypernym: float = 0.02
    epithet: float = 0.06
    activity: float = 0.56
    present: float = 0.2
    setting: float = 0.8
    colour: float = 0.3
    size: float = 0.08
    secondary: float = 0.84
    salient: float = 0.7
    """Chance that the second thing is the one that everybody sees first: the largest."""
    second_secondary: float = 0.1
    secondary_colour: float = 0.2
    ambience: float = 0.3
    """Of captions that lack a second thing or the place: nobody says everything."""


_STYLES = ("plain", "is", "that", "there", "front", "picture", "view", "inverse", "both")
_HABITS = (
    (0.50, 0.16, 0.06, 0.02, 0.05, 0.02, 0.05, 0.07, 0.07),
    (0.42, 0.14, 0.09, 0.05, 0.06, 0.02, 0.07, 0.08, 0.07),
    (0.36, 0.28, 0.07, 0.02, 0.05, 0.02, 0.06, 0.07, 0.07),
    (0.42, 0.12, 0.07, 0.03, 0.06, 0.07, 0.08, 0.08, 0.07),
    (0.38, 0.20, 0.08, 0.03, 0.06, 0.02, 0.06, 0.09, 0.08),
)
"""Share of each style of sentence, one row an annotator."""
_VERBOSITY = (0.85, 0.95, 1.0, 1.05, 1.15)
_PICTURE = ("a picture of", "a photo of", "an image of", "a close up of", "a shot of")


def human_captions(
    scene: SceneGraph, seed: int, n: int = 5, model: AnnotatorModel | None = None
) -> tuple[str, ...]:
    """What `n` annotators say of a scene; everything said is true of the scene graph.

    Deterministic in (seed, image id, annotator).
    """
    model = model or AnnotatorModel()
    return tuple(
        _Annotator(np.random.default_rng([seed, scene.image_id, 11, k]), scene, model, k % 5).says()
        for k in range(n)
    )


@dataclass
class _Annotator:
    """One annotator before one picture."""

    rng: np.random.Generator
    scene: SceneGraph
    model: AnnotatorModel
    who: int

    def says(self) -> str:
        scene, model = self.scene, self.model
        style = _STYLES[int(self.rng.choice(len(_STYLES), p=_HABITS[self.who]))]
        subject = self.noun(scene.main, scene.count, model.colour, model.size)
        plural = p.is_plural(scene.main, scene.count, subject)
        doing = ""
        if self.sometimes(model.activity):
            doing = p.activity(self.rng, scene.main, scene.count, model.habit)
        seconds = self.seconds()
        place = p.setting_phrase(self.rng, scene, model.habit)
        if not self.sometimes(model.setting) and (doing or seconds):
            place = ""  # nobody writes just "a dog"
        mood = ""
        if not (seconds and place) and self.sometimes(model.ambience):
            mood = p.choose(self.rng, p.ambience(self.rng, scene))
        if seconds and style in ("inverse", "both"):
            subject, rest = self.second_first(style, subject, *seconds)
            plural = plural or style == "both"
            doing = doing if style == "both" else ""
        else:
            rest = self.beside(seconds)
        return self.sentence(style, subject, plural, doing, rest, place, mood)

    def sometimes(self, rate: float) -> bool:
        return bool(self.rng.random() < rate * _VERBOSITY[self.who])

    def noun(self, thing: Thing, count: int, colour: float, size: float = 0.0) -> str:
        rng, model = self.rng, self.model
        name = p.name_of(rng, ENTITIES[thing.entity], model.habit, model.hypernym)
        said = [self.sometimes(rate) for rate in (colour, size, model.epithet)]
        return p.noun_phrase(rng, thing, name, count, *said)

    def seconds(self) -> list[int]:
        """Positions of the secondary things that are mentioned: none, one, rarely two."""
        scene, model = self.scene, self.model
        others = sorted(range(scene.count, len(scene.things)), key=self._area, reverse=True)
        if self.rng.random() > model.salient:
            self.rng.shuffle(others)
        wanted = self.sometimes(model.secondary)
        return others[: wanted + (wanted and self.sometimes(model.second_secondary))]

    def _area(self, index: int) -> float:
        left, top, right, bottom = self.scene.things[index].box
        return (right - left) * (bottom - top)

    def second(self, index: int) -> str:
        return self.noun(self.scene.things[index], 1, self.model.secondary_colour)

    def beside(self, seconds: list[int]) -> str:
        """For example "next to a tree", "with a ball nearby", "near a tree and a ball"."""
        said: list[str] = []
        for index in seconds:
            predicate, words = p.relation_of(self.scene, index).predicate, self.second(index)
            form = self.rng.random()
            if said:
                said.append(f"and {words}")
            elif form < 0.1:
                said.append(f"with {words}")
            elif form < 0.24:
                loosely = p.NEARBY if predicate in ("left of", "right of") else ()
                where = p.choose(self.rng, (*p.WITH[predicate], *loosely))
                said.append(f"with {words} {where}")
            else:
                relation = p.choose(self.rng, p.RELATIONS[predicate], self.model.habit)
                said.append(f"{relation} {words}")
        return " ".join(said)

    def second_first(self, style: str, subject: str, index: int, *more: int) -> tuple[str, str]:
        """What the sentence is about, and the rest: "a tree" "behind a dog", "a dog and a tree"."""
        words = self.second(index)
        if style == "both":
            return f"{subject} and {words}", ""
        predicate = p.relation_of(self.scene, index).predicate
        return words, f"{p.choose(self.rng, p.INVERSE[predicate], self.model.habit)} {subject}"

    def sentence(
        self, style: str, subject: str, plural: bool, doing: str, rest: str, place: str, mood: str
    ) -> str:
        be = "are" if plural else "is"
        tail = [rest, place, mood]
        if rest and place and self.rng.random() < 0.25:
            tail = [place, rest, mood]
        present = p.in_present(doing, plural) if self.sometimes(self.model.present) else ""
        if style == "there":
            words = [f"there {be}", subject, doing, *tail]
        elif style == "is" and (doing or rest or place):
            words = [subject, be, doing, *tail]
        elif style == "that" and doing:
            words = [subject, f"that {be}", doing, *tail]
        elif style == "front" and place:
            words = [place, subject, be if doing or rest else "", doing, rest, mood]
        elif style == "picture":
            words = [p.choose(self.rng, _PICTURE), subject, doing, *tail]
        elif style == "view":
            view = p.choose(self.rng, SETTINGS[self.scene.setting].views)
            words = [view, "with", subject, doing, rest, mood]
        elif present:
            words = [subject, present, *tail]
        else:
            words = [subject, doing, *tail]
        return " ".join(word for word in words if word)
