"""What a caption states of a picture of the embedded world, as facts that are true or false."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.scenes.facts import Atom
from emoji_scenes.scenes.lexicon import BACK, Meaning, Words, lexicon
from gegcore.data.vocabulary import tokenize

_ARTICLES = frozenset(["a", "an", "the", "some"])
_LONGEST = 8


@dataclass(frozen=True)
class Fact:
    """One statement of a caption: true of a scene if any of its atoms is.

    Attributes:
        kind: "thing", "number", "colour", "size", "activity", "setting", "mood" or "relation".
        words: that state it.
        atoms: alternatives: "a bag" is a suitcase, or a backpack, or a handbag.
    """

    kind: str
    words: str
    atoms: frozenset[Atom]


def facts_of(caption: str) -> tuple[Fact, ...]:
    """The facts that a caption states, each once, in the order of the caption.

    Words that the world has no table for state nothing; neither does "a dog" about the number of
    dogs, nor a colour of what always has its natural colour.
    """
    return tuple(dict.fromkeys(_Reader(tokenize(caption)).read()))


@dataclass
class _Reader:
    """Reads from left to right, the longest known phrase first.

    Attributes:
        words: of the caption.
        adjectives: said before a noun that is still to come.
        first, last: entities that the first noun and the one before may mean.
        relation: said of the first noun and the one to come.
    """

    words: Sequence[str]
    adjectives: list[tuple[str, Meaning]] = field(default_factory=list)
    first: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()
    relation: tuple[str, Meaning] | None = None
    facts: list[Fact] = field(default_factory=list)

    def read(self) -> list[Fact]:
        at = 0
        while at < len(self.words):
            phrase, meanings = _longest(self.words, at)
            text = " ".join(phrase)
            for meaning in meanings:
                self._take(text, meaning)
            if not meanings and self.words[at] not in _ARTICLES:
                self.adjectives.clear()
            at += max(1, len(phrase))
        return self.facts

    def _take(self, text: str, meaning: Meaning) -> None:
        if meaning.kind in ("number", "colour", "size", "epithet"):
            if meaning.values:
                self.adjectives.append((text, meaning))
            return
        if meaning.kind == "thing":
            self._noun(text, meaning.values)
        elif meaning.kind == "relation":
            self.relation = (text, meaning)
        elif meaning.kind == "position" and self.last:
            self._state("relation", text, _pairs("relation", meaning.values, self.last))
        for atoms_of_one in meaning.atoms:
            self._state(meaning.kind, text, set(atoms_of_one))
        self.adjectives.clear()

    def _noun(self, text: str, entities: frozenset[str]) -> None:
        apart = _read_apart(text)
        self._state("thing", text, {("thing", key) for key in entities} | apart)
        meant = entities | {atom[1] for atom in apart}
        for said, meaning in self.adjectives:
            (value,) = meaning.values
            known = meant
            if meaning.kind == "colour":
                known = frozenset(key for key in meant if ENTITIES[key].recolour)
            kind = {"number": "count"}.get(meaning.kind, meaning.kind)
            stated: set[Atom] = {(kind, key, value) for key in known}
            self._state(meaning.kind, f"{said} {text}", stated)
        if self.relation and self.first:
            said, meaning = self.relation
            self._state("relation", f"{said} {text}", self._standing(meaning, meant))
        self.relation = None
        self.first = self.first or meant
        self.last = meant

    def _standing(self, meaning: Meaning, entities: frozenset[str]) -> set[Atom]:
        """The noun is secondary to the first one, or the first one to it."""
        back = {where for predicate in meaning.values for where in BACK.get(predicate, ())}
        there = _pairs("relation", meaning.values, entities)
        return there | _pairs("relation", back, self.first)

    def _state(self, kind: str, text: str, atoms: set[Atom]) -> None:
        if atoms:
            self.facts.append(Fact(kind, text, frozenset(atoms)))


def _pairs(kind: str, values: Iterable[str], entities: Iterable[str]) -> set[Atom]:
    keys = tuple(entities)
    return {(kind, value, key) for value in values for key in keys}


def _longest(words: Sequence[str], at: int) -> tuple[Words, tuple[Meaning, ...]]:
    """The longest known phrase that begins at a word, and what it means; () if there is none."""
    book = lexicon()
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        phrase = tuple(words[at : at + length])
        if phrase in book:
            return phrase, book[phrase]
    return (), ()


def _read_apart(text: str) -> set[Atom]:
    """Other reading of names that begin with an adjective: "yellow flower" may be a yellow rose."""
    first, _, rest = text.partition(" ")
    adjectives = [m for m in lexicon().get((first,), ()) if m.kind in ("colour", "size")]
    nouns = [m for m in lexicon().get(tuple(rest.split()), ()) if m.kind == "thing"]
    return {
        (adjective.kind, key, value)
        for adjective in adjectives
        for noun in nouns
        for value in adjective.values
        for key in noun.values
    }
