"""Texts that game a careless CLIP: right words, wrong language."""

from __future__ import annotations

import random
from collections.abc import Callable

# fmt: off
_FUNCTION_WORDS = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "and", "or", "with", "is", "are", "it",
    "its", "by", "for", "from", "this", "that", "there", "some",
))
# fmt: on


def shuffled(text: str, rng: random.Random) -> str:
    """All words of `text` in random order."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def word_list(text: str, rng: random.Random) -> str:
    """The content words of `text` in random order, without grammar."""
    words = [word for word in text.split() if word.strip(",.").lower() not in _FUNCTION_WORDS]
    rng.shuffle(words)
    return " ".join(words or text.split())


def repeated(text: str, rng: random.Random) -> str:
    """`text` with one of its phrases said two to four times over, as over-optimised models do."""
    words = text.split()
    length = rng.randint(2, min(5, max(2, len(words) // 2)))
    start = rng.randrange(max(1, len(words) - length + 1))
    phrase = words[start : start + length]
    times = rng.randint(1, 3)
    return " ".join([*words[: start + length], *(phrase * times), *words[start + length :]])


def stuttered(text: str, rng: random.Random) -> str:
    """`text` with about a quarter of its words doubled."""
    words = [copy for word in text.split() for copy in [word] * (1 + (rng.random() < 0.25))]
    return " ".join(words) if len(words) > len(text.split()) else f"{text} {text.split()[-1]}"


def dangling(text: str, rng: random.Random) -> str:
    """`text` cut short, or run on, so that it ends in the middle of a phrase ("... next to a")."""
    words = text.split()
    kept = words[: rng.randint(max(2, len(words) // 2), len(words))]
    tail = rng.choice(("with a", "in a", "on a", "of a", "and a", "next to a", "in the", "a"))
    return " ".join([*kept, tail])


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "shuffled": shuffled,
    "word_list": word_list,
    "repeated": repeated,
    "stuttered": stuttered,
    "dangling": dangling,
}


def degenerate(text: str, rng: random.Random) -> str:
    """One of the kinds above, drawn at random."""
    return rng.choice(tuple(KINDS.values()))(text, rng)
