"""What captions state more and less than others, by kind, and whether it is true."""

from __future__ import annotations

import pandas as pd
import pytest

from bookkit.report.added_facts import changes, kinds_of_change, stated_facts
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.facts import atoms_of
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.scenes.parse import facts_of
from gegcore.data.dataset import ImageRecord
from gegcore.errors import DataError


@pytest.fixture(scope="module")
def records() -> list[ImageRecord]:
    return list(ScenesDataset("test", 10).records)


def captions(records: list[ImageRecord], objective: str, said: list[str]) -> pd.DataFrame:
    rows = [
        {"image_id": record.image_id, "caption": caption}
        for record, caption in zip(records, said, strict=True)
    ]
    about = {"model": "xlan", "objective": objective, "label": f"+{objective}", "seed": 1}
    return pd.DataFrame(rows).assign(**about)


def test_facts_are_those_of_the_captions_and_checked_against_their_own_scene(
    records: list[ImageRecord],
) -> None:
    said = [record.captions[0] for record in records]
    found = stated_facts(captions(records, "mle", said), records)
    assert found["true"].all() and len(found) == sum(len(facts_of(text)) for text in said)
    shifted = stated_facts(captions(records, "mle", [*said[5:], *said[:5]]), records)
    for record, caption in zip(records, [*said[5:], *said[:5]], strict=True):
        holds = atoms_of(SceneGraph.from_dict(record.scene or {}))
        rows = shifted[shifted["image_id"] == record.image_id]
        assert rows["true"].to_list() == [bool(f.atoms & holds) for f in facts_of(caption)]
    assert not shifted["true"].all()


def test_what_is_added_and_what_is_dropped() -> None:
    records = list(ScenesDataset("test", 1).records)
    before = captions(records, "scst_pp", ["a dog is next to a red car"])
    after = captions(records, "scst_geg", ["a puppy is next to a blue car at night"])
    facts = stated_facts(pd.concat([before, after]), records)
    same = facts[facts["kind"] == "object"].groupby("fact")["objective"].nunique()
    found = changes(facts, "scst_geg", "scst_pp")
    kinds = found.groupby("change")["kind"].agg(set)
    assert same.max() == 2  # synonyms are one fact
    assert kinds["added"] == {"colour", "time or weather"} and kinds["dropped"] == {"colour"}
    assert changes(facts, "scst_geg", "scst_geg").empty


def test_kinds_that_change_most_are_named() -> None:
    change = pd.Series({"object": 0.4, "colour": 24.5, "action": 6.41, "place": -7.9, "size": -1.0})
    said = kinds_of_change(change, {"colour": "84 % are true", "place": "not asked"})
    added = "adds most: colour +24.5 (84 % are true), action +6.4"
    assert said == f"{added}; removes most: place \N{MINUS SIGN}7.9, size \N{MINUS SIGN}1.0"
    assert kinds_of_change(change[:1]) == "adds most: nothing; removes most: nothing"


def test_without_scenes_there_is_no_truth() -> None:
    record = ImageRecord(7, ("a dog",))
    with pytest.raises(DataError, match="image 7 has no scene graph"):
        stated_facts(captions([record], "mle", ["a dog"]), [record])
