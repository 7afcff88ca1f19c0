"""A study as data: trials, who sees which, and what of it the participants' page may know."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gegcore.errors import DataError
from gegcore.storage import digest, read_json

FORMAT: Literal["gegcore user study"] = "gegcore user study"

SIMILAR = 20
"""Pictures beside the target (Sec. 4.5)."""

PICKS = 10
"""Pictures that a participant puts in order (Sec. 4.5)."""

KEY, ANSWERS = "key.json", "answers"
"""In the folder of a study: what the researcher keeps, and where files of answers go."""

CRITERIA = ("accuracy", "distinctiveness")
"""Table 5."""


class Part(BaseModel):
    """Of a study or an answer: what is unknown or of another type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Spoken(Part):
    """A caption and who said it."""

    system: str
    text: str


class Retrieval(Part):
    """Which pictures does a caption describe? `pictures` in the page's order, `target` of them."""

    caption: Spoken
    target: str
    pictures: list[str]


class Comparison(Part):
    """Which of two captions is better? `captions`: id -> caption, of the baseline and another."""

    picture: str
    captions: dict[str, Spoken]


class Form(Part):
    """Ids of the trials of one participant."""

    retrieval: list[str]
    comparison: list[str]


class Practice(Part):
    """Trials that nobody counts."""

    retrieval: Retrieval
    comparison: Comparison


class Study(Part):
    """All of a study: `key.json`. Ids of trials, captions and pictures say nothing.

    Attributes:
        systems: the baseline first.
        seed: that all was drawn from.
        about: whose captions and pictures these are.
        pictures: id -> image id.
    """

    format: Literal["gegcore user study"] = FORMAT
    version: Literal[1] = 1
    systems: list[str]
    seed: int
    about: dict[str, str]
    pictures: dict[str, int | str]
    retrieval: dict[str, Retrieval]
    comparison: dict[str, Comparison]
    forms: list[Form]
    practice: Practice

    @property
    def digest(self) -> str:
        """Of what participants see: answers to anything else are of another study."""
        return digest(self._blind())

    def page(self) -> dict[str, Any]:
        """What the page reads: no system, no target, no image id, no seed."""
        return {**self._blind(), "study": self.digest}

    def _blind(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "version": self.version,
            "picks": PICKS,
            "retrieval": {name: _search(trial) for name, trial in self.retrieval.items()},
            "comparison": {name: _pair(trial) for name, trial in self.comparison.items()},
            "forms": [form.model_dump() for form in self.forms],
            "practice": {
                "retrieval": _search(self.practice.retrieval),
                "comparison": _pair(self.practice.comparison),
            },
        }


def _search(trial: Retrieval) -> dict[str, Any]:
    return {"caption": trial.caption.text, "pictures": trial.pictures}


def _pair(trial: Comparison) -> dict[str, Any]:
    said = {name: caption.text for name, caption in trial.captions.items()}
    return {"picture": trial.picture, "captions": said}


def read_study(path: Path) -> Study:
    """A `key.json`.

    Raises:
        DataError: it is missing, or no key of a study.
    """
    try:
        return Study.model_validate(read_json(path))
    except ValidationError as error:
        what = f"{path} is no key of a study: {in_short(error)}"
        raise DataError(what, "restore it: `python -m bookkit.study` wrote it") from error


def in_short(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
