"""What participants have saved, checked against the key of their study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pandas as pd
from pydantic import Field, ValidationError

from bookkit.study.design import (
    ANSWERS,
    CRITERIA,
    FORMAT,
    KEY,
    PICKS,
    Part,
    Study,
    in_short,
    read_study,
)
from gegcore.errors import DataError
from gegcore.storage import read_json

SAME = "same"
"""Neither caption: a tie."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Ranking(Part):
    """Pictures in the order of the page, and those chosen, best first."""

    trial: str
    shown: list[str]
    ranking: list[str]
    seconds: Seconds


class Preference(Part):
    """Captions in the order of the page; of each criterion the better one, or `SAME`."""

    trial: str
    shown: list[str]
    accuracy: str
    distinctiveness: str
    seconds: Seconds


class Answers(Part):
    """One file; `participant` is drawn by the page and says nothing of a person."""

    format: Literal["gegcore user study"] = FORMAT
    version: Literal[1] = 1
    study: str
    participant: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    form: int
    retrieval: list[Ranking]
    comparison: list[Preference]

    def __len__(self) -> int:
        return len(self.retrieval) + len(self.comparison)


class Collected(NamedTuple):
    """A study, answers that count, and file -> why it does not."""

    study: Study
    answers: list[Answers]
    refused: dict[str, str]

    @property
    def said(self) -> str:
        """How many files there are, and what became of them, in a sentence or two."""
        files, count = len(self.answers) + len(self.refused), sum(map(len, self.answers))
        people = f"{len(self.answers)} participants, {count:,} answers"
        odd = "; ".join(f"{name}: {why}" for name, why in self.refused.items())
        return f"Files: {files}; {people}." + (f" Not counted: {odd}." if odd else "")


def collected(folder: Path) -> Collected | None:
    """What was answered to the study of a folder that `write_kit` made; None: there is no key.

    Raises as `read_study`.
    """
    key = folder / KEY
    return read_answers(folder / ANSWERS, read_study(key)) if key.is_file() else None


def read_answers(folder: Path, study: Study) -> Collected:
    """All `.json` files of a folder, in the order of their names.

    Of two files of one participant the one with more answers counts: the other was saved earlier.
    """
    found: dict[str, tuple[str, Answers]] = {}
    refused: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            answers = Answers.model_validate(read_json(path))
            check(answers, study)
        except ValidationError as error:
            refused[path.name] = f"no file of answers: {in_short(error)}"
        except DataError as error:
            refused[path.name] = error.what.removeprefix(f"{path} ")
        else:
            before = found.get(answers.participant)
            new, old = (path.name, answers), before or ("", answers)
            if before and len(answers) <= len(before[1]):
                new, old = old, new
            found[answers.participant] = new
            if before:
                refused[old[0]] = f"the same participant as {new[0]}, which has as many or more"
    return Collected(study, [answers for _, answers in found.values()], refused)


def check(answers: Answers, study: Study) -> None:
    """Raise DataError where answers cannot be answers to this study."""
    if answers.study != study.digest:
        raise DataError(f"answers of another study, {answers.study[:40]}", "ask for the right file")
    if not 0 <= answers.form < len(study.forms):
        raise DataError(f"there is no form {answers.form}", "it was not made by the page")
    form = study.forms[answers.form]
    _check_trials((a.trial for a in answers.retrieval), form.retrieval)
    _check_trials((a.trial for a in answers.comparison), form.comparison)
    for ranking in answers.retrieval:
        pictures = study.retrieval[ranking.trial].pictures
        distinct = set(ranking.ranking)
        fits = len(ranking.ranking) == len(distinct) == PICKS and distinct <= {*pictures}
        if not fits or sorted(ranking.shown) != sorted(pictures):
            what = f"trial {ranking.trial}: not {PICKS} different pictures of those shown"
            raise DataError(what, "it was not made by the page")
    for pair in answers.comparison:
        captions = study.comparison[pair.trial].captions
        chosen = {getattr(pair, name) for name in CRITERIA}
        if sorted(pair.shown) != sorted(captions) or not chosen <= {*captions, SAME}:
            what = f"trial {pair.trial}: other captions than those shown"
            raise DataError(what, "it was not made by the page")


def _check_trials(answered: Iterable[str], form: list[str]) -> None:
    trials = list(answered)
    if len({*trials}) < len(trials) or not {*trials} <= {*form}:
        raise DataError("trials twice, or of another form", "it was not made by the page")


def rankings(answers: Iterable[Answers], study: Study) -> pd.DataFrame:
    """A row an answer: participant, item, system, trial, R@1, R@5 and R@10 (0 or 100), first pick.

    `item` is the picture asked for: it is another sample of pictures that would be drawn anew.
    """
    rows = []
    for each in answers:
        for answer in each.retrieval:
            trial = study.retrieval[answer.trial]
            hits = {f"R@{k}": 100.0 * (trial.target in answer.ranking[:k]) for k in (1, 5, PICKS)}
            about = {"participant": each.participant, "item": trial.target, "trial": answer.trial}
            about |= {"system": trial.caption.system, "first": answer.ranking[0]}
            rows.append({**about, **hits, "seconds": answer.seconds})
    columns = ["participant", "item", "trial", "system", "first", "R@1", "R@5", "R@10", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def preferences(answers: Iterable[Answers], study: Study) -> pd.DataFrame:
    """A row an answer and criterion: participant, item, trial, system, criterion, outcome.

    `outcome` is that of the system against the baseline: 1 win, 0 tie, -1 loss.
    """
    baseline, rows = study.systems[0], []
    for each in answers:
        for answer in each.comparison:
            trial = study.comparison[answer.trial]
            by = {name: caption.system for name, caption in trial.captions.items()}
            (system,) = {*by.values()} - {baseline}
            about = {"participant": each.participant, "item": trial.picture, "trial": answer.trial}
            for criterion in CRITERIA:
                chosen = by.get(getattr(answer, criterion))
                outcome = 0 if chosen is None else -1 if chosen == baseline else 1
                judged = {"system": system, "criterion": criterion, "outcome": outcome}
                rows.append({**about, **judged, "seconds": answer.seconds})
    columns = ["participant", "item", "trial", "system", "criterion", "outcome", "seconds"]
    return pd.DataFrame(rows, columns=columns)
