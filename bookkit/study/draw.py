"""Draws a study: pictures at random, similar ones by CLIP, trials dealt out to participants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bookkit.study.design import SIMILAR, Comparison, Form, Practice, Retrieval, Spoken, Study
from gegcore.errors import ConfigError, DataError

ImageId = int | str
Captions = Mapping[ImageId, str]


@dataclass(frozen=True)
class Pool:
    """N pictures that trials are drawn from.

    Attributes:
        images: ids.
        families: `(N,)`; of similar pictures at most one is asked for.
        references: a caption of each that is right, for practice.
        similarity: M captions -> `(M, N)`, by CLIP.
    """

    images: Sequence[ImageId]
    families: np.ndarray
    references: Sequence[str]
    similarity: Callable[[list[str]], np.ndarray]


@dataclass(frozen=True)
class Size:
    """How many pictures each experiment asks about, and how many trials of it a participant has.

    Default: 60 and 20, or as many as there are.
    """

    pictures: int | None = None
    trials: int | None = None

    def of(self, there: int) -> tuple[int, int]:
        """Both numbers, where so many pictures can be asked about in both experiments together.

        Raises:
            ConfigError: that is not enough.
        """
        most = max((there - 2) // 2, 0)
        pictures = min(60, most) if self.pictures is None else self.pictures
        trials = min(20, pictures) if self.trials is None else self.trials
        if not 1 <= trials <= pictures <= most:
            what = f"{trials} trials of {pictures} pictures in each of two experiments"
            has = f"{most} pictures for each, of different families and captioned by all systems"
            raise ConfigError(f"a study of {what} cannot be drawn", f"there are {has}")
        return pictures, trials


def draw_study(
    systems: Mapping[str, Captions], pool: Pool, size: Size, seed: int, about: dict[str, str]
) -> Study:
    """A study of systems, the baseline first.

    Experiments ask about different pictures, so that no caption of one gives away the other. In the
    first, every picture is asked for with a caption of each system, but once of a participant; its
    companions are the pictures that CLIP finds by that caption, as in the paper.

    Raises:
        ConfigError: fewer than two systems, or more asked for than there is.
        DataError: fewer than 21 pictures.
    """
    if len(systems) < 2:
        raise ConfigError("a study compares two systems or more", "name the baseline, then others")
    if len(pool.images) <= SIMILAR:
        what = f"{len(pool.images)} pictures are too few: a target has {SIMILAR} beside it"
        raise DataError(what, "take a profile with more test images")
    generator = np.random.default_rng(seed)
    rows = _distinct(pool, systems, generator)
    pictures, trials = size.of(len(rows))
    draw = _Draw(systems, pool, generator)
    searched, compared = rows[2 : pictures + 2], rows[pictures + 2 : 2 * pictures + 2]
    retrieval = [draw.searches(row) for row in searched]
    comparison = [draw.pairs(row) for row in compared]
    practice = draw.practice(rows[0], rows[1])
    return Study(
        systems=[*systems],
        seed=seed,
        about=about,
        pictures={name: pool.images[row] for row, name in draw.names.items()},
        retrieval=dict(sorted(item for each in retrieval for item in each.items())),
        comparison=dict(sorted(item for each in comparison for item in each.items())),
        forms=_forms([[*x] for x in retrieval], [[*x] for x in comparison], trials, generator),
        practice=practice,
    )


def _distinct(
    pool: Pool, systems: Mapping[str, Captions], generator: np.random.Generator
) -> list[int]:
    """Positions of pictures that all systems caption, one a family, in random order."""
    everywhere = set.intersection(*(set(captions) for captions in systems.values()))
    first: dict[object, int] = {}
    for row in generator.permutation(len(pool.images)).tolist():
        if pool.images[row] in everywhere:
            first.setdefault(pool.families[row], row)
    return list(first.values())


class _Draw:
    """Makes trials, and names pictures as they come up."""

    def __init__(
        self, systems: Mapping[str, Captions], pool: Pool, generator: np.random.Generator
    ) -> None:
        self.systems, self.pool, self.generator = systems, pool, generator
        self.names: dict[int, str] = {}

    def searches(self, row: int) -> dict[str, Retrieval]:
        """Of each system, in the order of systems."""
        image = self.pool.images[row]
        said = [Spoken(system=name, text=its[image]) for name, its in self.systems.items()]
        return {self._id(): self._search(row, caption) for caption in said}

    def pairs(self, row: int) -> dict[str, Comparison]:
        """Of the baseline with each other system."""
        (baseline, *others), image = self.systems, self.pool.images[row]
        return {self._id(): self._pair(row, image, (baseline, other)) for other in others}

    def practice(self, first: int, second: int) -> Practice:
        said = self.pool.references
        right, wrong = (Spoken(system="practice", text=said[row]) for row in (second, first))
        search = self._search(first, wrong)
        pair = Comparison(picture=self._name(second), captions={"a": right, "b": wrong})
        return Practice(retrieval=search, comparison=pair)

    def _search(self, row: int, caption: Spoken) -> Retrieval:
        scores = self.pool.similarity([caption.text])[0]
        nearest = [int(other) for other in np.argsort(-scores, kind="stable") if other != row]
        shown = self.generator.permutation([row, *nearest[:SIMILAR]])
        names = [self._name(int(other)) for other in shown]
        return Retrieval(caption=caption, target=self._name(row), pictures=names)

    def _pair(self, row: int, image: ImageId, names: Sequence[str]) -> Comparison:
        said = [Spoken(system=name, text=self.systems[name][image]) for name in names]
        mixed = [said[int(i)] for i in self.generator.permutation(len(said))]
        return Comparison(picture=self._name(row), captions={self._id(): x for x in mixed})

    def _name(self, row: int) -> str:
        return self.names.setdefault(row, self._id())

    def _id(self) -> str:
        return self.generator.bytes(6).hex()


def _forms(
    retrieval: list[list[str]], comparison: list[list[str]], trials: int, rng: np.random.Generator
) -> list[Form]:
    """As few as ask every trial equally often."""
    rounds = math.lcm(len(retrieval[0]), len(comparison[0]))
    count = rounds * len(retrieval) // math.gcd(len(retrieval), trials)
    dealt = zip(_deal(retrieval, trials, count), _deal(comparison, trials, count), strict=True)
    forms = [Form(retrieval=sorted(first), comparison=sorted(second)) for first, second in dealt]
    return [forms[at] for at in rng.permutation(count)]


def _deal(variants: list[list[str]], trials: int, count: int) -> Iterator[list[str]]:
    """Runs of pictures, round and round; a picture's variant changes from round to round."""
    for start in range(0, count * trials, trials):
        places = [divmod(start + i, len(variants)) for i in range(trials)]
        yield [variants[at][(round_ + at) % len(variants[at])] for round_, at in places]
