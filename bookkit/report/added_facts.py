"""What one objective's captions state and another's do not, and whether it is true, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from bookkit.report.page import signed
from emoji_scenes.scenes.facts import Atom, atoms_of
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.parse import Fact, facts_of
from gegcore.data.dataset import ImageRecord
from gegcore.errors import DataError
from gegcore.progress import track

KINDS = {
    "thing": "object",
    "number": "number",
    "colour": "colour",
    "size": "size",
    "activity": "action",
    "relation": "relation",
    "setting": "place",
    "mood": "time or weather",
}
"""Kind of fact, as the world's tables call it -> as pages do."""

_RUN = ["model", "objective", "label", "seed"]
_facts_of = lru_cache(maxsize=None)(facts_of)  # captioners repeat each other and themselves


def truth_of(record: ImageRecord) -> frozenset[Atom]:
    """Everything that is true of an image.

    Raises:
        DataError: it has no scene graph.
    """
    if record.scene is None:
        what = f"image {record.image_id} has no scene graph"
        raise DataError(what, "truth is known of the embedded world only")
    return atoms_of(SceneGraph.from_dict(record.scene))


def stated_facts(captions: pd.DataFrame, records: Sequence[ImageRecord]) -> pd.DataFrame:
    """A row a run, image and stated fact: kind, words, `fact`, which synonyms share, and `true`.

    Args:
        captions: as `Runs.captions`.
        records: of the captioned images, with their scenes.

    Raises:
        DataError: an image has no scene graph.
    """
    holds = {record.image_id: truth_of(record) for record in records}
    rows: list[tuple[Any, ...]] = []
    columns = [*_RUN, "image_id", "caption"]
    for *about, image, caption in track(captions[columns].to_numpy().tolist(), "facts"):
        for fact in _facts_of(caption):
            true = bool(fact.atoms & holds[image])
            kind = KINDS[fact.kind]
            rows.append((*about, image, caption, kind, fact.words, _name(fact), true))
    return pd.DataFrame(rows, columns=[*columns, "kind", "words", "fact", "true"])


def changes(facts: pd.DataFrame, of: str, over: str) -> pd.DataFrame:
    """Facts that captions of one objective state and those of the other do not.

    Of the same captioner, seed and image; `change` says which way: "added" or "dropped".

    Args:
        of, over: objectives.
    """
    sides = {"added": (of, over), "dropped": (over, of)}
    key, found = ["model", "seed", "image_id", "fact"], []
    for change, (there, absent) in sides.items():
        mine, other = (facts[facts["objective"] == name] for name in (there, absent))
        both = mine.merge(other[key].drop_duplicates(), on=key, how="left", indicator="which")
        found.append(both[both["which"] == "left_only"].drop(columns="which").assign(change=change))
    return pd.concat(found, ignore_index=True)


def kinds_of_change(change: pd.Series, notes: Mapping[str, str] | None = None) -> str:
    """`adds most: colour +24.5 (...), action +6.4; removes most: place -7.9`, for a sentence.

    Args:
        change: kind -> facts in a hundred captions; three kinds each way are named, if they change
            by one or more.
        notes: kind -> what more is known of those that are added.
    """
    most = change.sort_values(ascending=False, kind="stable")
    steps = {str(kind): float(x) for kind, x in most.items()}
    given = {kind: f" ({note})" for kind, note in (notes or {}).items()}
    more = [f"{k} {signed(k, x)}{given.get(k, '')}" for k, x in steps.items() if x >= 1]
    fewer = [f"{k} {signed(k, x)}" for k, x in reversed(steps.items()) if x <= -1]
    up, down = (", ".join(named[:3]) for named in (more, fewer))
    return f"adds most: {up or 'nothing'}; removes most: {down or 'nothing'}"


def _name(fact: Fact) -> str:
    return " | ".join(sorted(map(str, fact.atoms))) or fact.words
