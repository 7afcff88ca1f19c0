"""Which of COCO's 80 objects a caption mentions, by the words of `coco_objects.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gegcore.endings import AUXILIARIES, PREPOSITIONS
from gegcore.storage import digest

Categories = frozenset[str]
"""What a word means: one category, several of which it may mean any, or none."""

_NOTHING = Categories()
_OTHER_ANIMALS = Categories(["other animals"])

# What stands behind the last noun of a phrase: an orange "on" a table, a couple "sitting". "and" is
# not among them: "an orange and white cat".
_AFTER_A_NOUN = {
    *(*PREPOSITIONS, *AUXILIARIES, "", "next", "that", "which", "who", "sits", "stands", "sitting"),
    *("standing", "laying", "lying", "hanging", "holding", "watching", "riding", "walking"),
}
# What may stand between "baby" and the animal that it is, beside other such words.
_AGES, _LOOKS = {"young", "small", "little"}, {"black", "brown", "white", "gray", "grey", "wild"}
_SAID_WITH_ES = ("s", "x", "z", "ch", "sh")


class Term(NamedTuple):
    """A word or phrase of the table.

    Attributes:
        ends: it counts only where no other noun follows.
    """

    means: Categories
    ends: bool = False


@dataclass(frozen=True)
class ObjectWords:
    """The table, ready for look-up.

    Attributes:
        categories: COCO's 80.
        terms: first word -> the other words of a phrase -> what it means, longest phrase first.
        qualifiers: word -> categories of which it says the age, sex or use, if it stands before.
        version: digest of the table.
    """

    categories: tuple[str, ...]
    terms: Mapping[str, Mapping[tuple[str, ...], Term]]
    qualifiers: Mapping[str, Categories]
    version: str

    def mentions(self, caption: str) -> list[Categories]:
        """What is mentioned, in the order of the caption: COCO's categories, as often as named.

        The longest phrase that fits counts. Words side by side that may mean the same ("tabby cat",
        "laptop computer") are one mention.

        Args:
            caption: lower-case tokens, blanks between them.
        """
        words = caption.replace("-", " ").replace("/", " ").split()
        found: list[Categories] = []
        end = -1
        for start, stop, means in self._phrases(words):
            if means and start == end and found and found[-1] & means:
                found[-1] &= means
            else:
                found.append(means)
            end = stop
        return [means for means in found if means and means != _OTHER_ANIMALS]

    def _phrases(self, words: list[str]) -> Iterator[tuple[int, int, Categories]]:
        """Where each phrase of the table begins and ends, and what it means."""
        start = 0
        while start < len(words):
            size, means = self._longest(words, start)
            stop = start + max(1, size)
            if size and not self._says_which(words, start, stop):
                yield start, stop, means
            start = stop

    def _longest(self, words: list[str], start: int) -> tuple[int, Categories]:
        """Number of words of the longest phrase that begins here, 0 if none; what it means."""
        for rest, term in self.terms.get(words[start], {}).items():
            stop = start + 1 + len(rest)
            if tuple(words[start + 1 : stop]) == rest:
                following = words[stop] if stop < len(words) else ""
                if not term.ends or following in _AFTER_A_NOUN:
                    return 1 + len(rest), term.means
        return 0, _NOTHING

    def _says_which(self, words: list[str], start: int, stop: int) -> bool:
        """Whether it is no object of its own: "baby" of "baby and mother elephant"."""
        before = self.qualifiers.get(words[start]) if stop == start + 1 else None
        if not before:
            return False
        while stop < len(words):
            # "a mother and baby giraffe", not "a child and dog"
            both = words[stop] in ("and", "or")
            word = words[stop + 1] if both and stop + 1 < len(words) else words[stop]
            same = word in _AGES or before <= self.qualifiers.get(word, _NOTHING)
            if not same and (both or word not in _LOOKS):
                break
            stop += 1 + both
        return stop < len(words) and bool(self._longest(words, stop)[1] & before)


@cache
def object_words() -> ObjectWords:
    """The table of `coco_objects.yaml`."""
    path = Path(__file__).with_name("coco_objects.yaml")
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = [(Categories([name]), text) for name, text in stored["objects"].items()]
    rows += [(Categories(_items(names)), text) for names, text in stored["either"].items()]
    rows += [(_NOTHING, stored["nothing"]), (_OTHER_ANIMALS, stored["other animals"])]
    terms: dict[tuple[str, ...], Term] = {}
    for means, text in rows:
        for item in _items(text):
            for form, ends in _forms(item):
                terms.setdefault(tuple(form.split()), Term(means, ends))
    by_first: dict[str, dict[tuple[str, ...], Term]] = {}
    for phrase in sorted(terms, key=len, reverse=True):
        by_first.setdefault(phrase[0], {})[phrase[1:]] = terms[phrase]
    return ObjectWords(
        tuple(stored["objects"]), by_first, _qualifiers(stored["qualifiers"]), digest(stored)
    )


def _qualifiers(rows: list[dict[str, Any]]) -> dict[str, Categories]:
    """Word -> what it may stand before."""
    found: dict[str, Categories] = {}
    for row in rows:
        for word in _items(row["words"]):
            found[word] = found.get(word, _NOTHING) | {*_items(row["before"])}
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _forms(item: str) -> Iterator[tuple[str, bool]]:
    """Singular and plural of an item of the table; whether each only counts at a noun's end."""
    singular, _, plural = (part.strip() for part in item.partition("/"))
    word = singular.removesuffix("|")
    yield word, word != singular
    yield plural or plural_of(word), False


def plural_of(noun: str) -> str:
    """By the rules of English; exceptions stand in the table."""
    if noun.endswith(_SAID_WITH_ES):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
