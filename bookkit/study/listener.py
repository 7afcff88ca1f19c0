"""Simulated participants: the listener of the embedded world takes part in a study.

It understands every word and sees every picture as its scene graph, so it says what captions are
worth to somebody who makes no mistake. It is not a person, and where facts tie, it guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bookkit.study.answers import SAME, Answers, Preference, Ranking
from bookkit.study.design import PICKS, Study
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.parse import facts_of
from emoji_scenes.truth import facts_that_hold


def simulated_answers(
    study: Study, scenes: Mapping[int, SceneGraph], participants: int, seed: int = 0
) -> Iterator[Answers]:
    """What listeners answer; they take the forms in turn, and no time.

    Retrieval: the pictures of which most facts of the caption are true come first. Accuracy: the
    caption with the larger share of true facts. Distinctiveness: the one that states more facts
    that are true of the picture (the paper asks which is more informative).

    Args:
        scenes: image id -> scene graph, of all pictures of the study.
    """
    trials = [*study.retrieval.values()]
    said = {trial.caption.text for trial in trials}
    said |= {x.text for trial in study.comparison.values() for x in trial.captions.values()}
    texts = {text: row for row, text in enumerate(sorted(said))}
    facts = [facts_of(text) for text in texts]
    column = {image: number for number, image in enumerate(scenes)}
    at = {name: column[int(image)] for name, image in study.pictures.items()}
    held = facts_that_hold(facts, scenes)

    def ranking(name: str, generator: np.random.Generator) -> Ranking:
        trial = study.retrieval[name]
        shown = generator.permutation(trial.pictures).tolist()
        true = held[texts[trial.caption.text], [at[picture] for picture in shown]]
        order = np.argsort(-true, kind="stable")[:PICKS]
        return Ranking(trial=name, shown=shown, ranking=[shown[i] for i in order], seconds=0.0)

    def preference(name: str) -> Preference:
        trial, better = study.comparison[name], {}
        rows = {each: texts[caption.text] for each, caption in trial.captions.items()}
        true = {each: int(held[row, at[trial.picture]]) for each, row in rows.items()}
        share = {each: true[each] / max(len(facts[row]), 1) for each, row in rows.items()}
        first, second = rows
        for criterion, of in {"accuracy": share, "distinctiveness": true}.items():
            a, b = of[first], of[second]  # type: ignore[index]
            better[criterion] = SAME if a == b else first if a > b else second
        return Preference(trial=name, shown=[*trial.captions], seconds=0.0, **better)

    for number in range(participants):
        generator = np.random.default_rng([seed, number])
        form = number % len(study.forms)
        yield Answers(
            study=study.digest,
            participant=f"{number:012x}",
            form=form,
            retrieval=[ranking(name, generator) for name in study.forms[form].retrieval],
            comparison=[preference(name) for name in study.forms[form].comparison],
        )
