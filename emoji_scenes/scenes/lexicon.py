"""Which words of a caption mean what: the tables that wrote the captions, turned around."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from emoji_scenes.scenes import phrases as p
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.facts import Atom
from emoji_scenes.scenes.words import EPITHETS
from gegcore.data.vocabulary import tokenize

Words = tuple[str, ...]

BACK: dict[str, tuple[str, ...]] = {
    "left of": ("left of", "right of"),
    "right of": ("left of", "right of"),
    "in front of": ("behind",),
    "behind": ("in front of",),
    "below": ("above",),
}
"""Predicate of (second noun, first noun) -> those that say the same of (first noun, second noun).

Captions put the main thing first as a rule. Where a secondary one comes first, "a tree behind a
car", the words that would put the car in front of the main tree put the tree behind the main car.
"""


@dataclass(frozen=True)
class Meaning:
    """What a phrase means.

    Attributes:
        kind: "thing", "number", "colour", "size", "epithet", "activity", "setting", "mood",
            "relation" (a noun follows) or "position" (a noun came before).
        values: entities, predicates, a colour, a number...
        atoms: of a "setting", "mood" or "activity": what it states, a set of alternatives each.
    """

    kind: str
    values: frozenset[str]
    atoms: tuple[frozenset[Atom], ...] = ()


@cache
def lexicon() -> dict[Words, tuple[Meaning, ...]]:
    """Phrase -> its meanings; one, except for phrases such as "next to"."""
    book: dict[Words, dict[str, Meaning]] = {}
    for text, meaning in (*_nouns(), *_adjectives(), *_doings(), *_places(), *_moods(), *_where()):
        kinds = book.setdefault(tuple(tokenize(text)), {})
        old = kinds.get(meaning.kind)
        kinds[meaning.kind] = _both(old, meaning) if old else meaning
    return {words: tuple(kinds.values()) for words, kinds in book.items()}


def _both(a: Meaning, b: Meaning) -> Meaning:
    """A phrase of two entries of a table means the one or the other."""
    merged = tuple(x | y for x, y in zip(a.atoms, b.atoms, strict=True))
    return Meaning(a.kind, a.values | b.values, merged)


def _nouns() -> Iterable[tuple[str, Meaning]]:
    for entity in ENTITIES.values():
        generic = [form for word in entity.generic for form in (word, p.plural_of(word))]
        for name in (*entity.names, *entity.plurals, *generic):
            yield name, Meaning("thing", frozenset([entity.key]))


def _adjectives() -> Iterable[tuple[str, Meaning]]:
    for number, texts in p.NUMBERS.items():
        for text in texts:
            yield text.removeprefix("a "), Meaning("number", frozenset([str(number)]))
    for colour in COLOURS:
        yield colour, Meaning("colour", frozenset([colour]))
    for size, texts in (("large", p.LARGE), ("small", p.SMALL)):
        for text in texts:
            yield text, Meaning("size", frozenset([size]))
    for epithets in EPITHETS.values():
        for text in epithets.split("|"):
            yield text, Meaning("epithet", frozenset())


def _doings() -> Iterable[tuple[str, Meaning]]:
    for entity in ENTITIES.values():
        for words in entity.activities:
            atom: Atom = ("activity", words)
            forms = {words, words.replace(" its ", " their ")}
            forms |= {p.in_present(form, plural) for form in forms for plural in (False, True)}
            for text in forms - {""}:
                yield text, Meaning("activity", frozenset([words]), (frozenset([atom]),))


def _places() -> Iterable[tuple[str, Meaning]]:
    for setting in SETTINGS.values():
        place: Atom = ("setting", setting.key)
        for text in (*setting.phrases, *(view.removeprefix("a ") for view in setting.views)):
            yield text, Meaning("setting", frozenset([setting.key]), (frozenset([place]),))


def _moods() -> Iterable[tuple[str, Meaning]]:
    for time, texts in p.TIMES.items():
        for text in texts:
            yield text, _mood(("time", time))
    for time, skies in p.CLEAR_AT.items():
        for text in skies:
            yield text, _mood(("weather", "clear"), ("time", time))
    yield p.SUNNY, _mood(("weather", "clear"), ("time", "day"))
    for weather, phrases in p.WEATHERS.items():
        for text in phrases:
            yield text, _mood(("weather", weather))
            if (dark := p.at_night(text)) != text:
                yield dark, _mood(("weather", weather), ("time", "night"))


def _mood(*atoms: Atom) -> Meaning:
    return Meaning("mood", frozenset(), tuple(frozenset([atom]) for atom in atoms))


def _where() -> Iterable[tuple[str, Meaning]]:
    for predicate, texts in p.RELATIONS.items():
        for text in texts:
            yield text, Meaning("relation", frozenset([predicate]))
    for text in p.INVERSE["above"]:
        yield text, Meaning("relation", frozenset(["below"]))
    for predicate, texts in p.WITH.items():
        for text in texts:
            yield text, Meaning("position", frozenset([predicate]))
    for text in p.NEARBY:
        yield text, Meaning("position", frozenset(["left of", "right of"]))
