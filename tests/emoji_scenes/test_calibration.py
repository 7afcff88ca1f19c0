"""The world's captions are like COCO's where it matters, and the numbers are those of COCO."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emoji_scenes.calibration import CIDER, COCO, RECALL, TARGETS, caption_statistics
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.vision.weights import load_shipped

REFERENCES = Path(__file__).parents[3] / "shared/coco/references_karpathy_test.json"


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_world_is_within_its_targets(split: str) -> None:
    found = caption_statistics([r.captions for r in ScenesDataset(split, 1_000).records])
    assert found.keys() | {RECALL} == COCO.keys() and TARGETS.keys() <= COCO.keys()
    wrong = {
        name: found[name]
        for name, (least, most) in TARGETS.items()
        if name != RECALL and not least <= found[name] <= most
    }
    assert not wrong


def test_the_shipped_clip_finds_pictures_by_captions_as_often_as_the_target_says() -> None:
    least, most = TARGETS[RECALL]
    found = load_shipped("scenes_clip").metadata["validation"]
    assert found["scenes"] == 1_000
    assert least <= found["human captions"]["R@1"] <= most


@pytest.mark.skipif(not REFERENCES.is_file(), reason="needs COCO's captions, which are not ours")
def test_the_numbers_of_coco_are_computed_from_its_captions() -> None:
    references = json.loads(REFERENCES.read_text(encoding="utf-8"))
    found = caption_statistics([references[key][:5] for key in sorted(references)[:1_000]])
    for name, value in found.items():
        digits = len(str(COCO[name]).partition(".")[2])
        assert value == pytest.approx(COCO[name], abs=0.51 * 10**-digits), name


def test_agreement_is_counted_as_it_should_be() -> None:
    same = [["a dog runs on the grass"] * 5, ["two cats sleep on a bed"] * 5]
    found = caption_statistics(same)
    assert found[CIDER] == pytest.approx(1000, abs=0.1)
    assert found["content words used by one annotator only"] == 0
    assert found["overlap of two annotators' content words (Jaccard)"] == 1
    different = [["a dog runs", "one brown hound"], ["two cats sleep", "kittens there"]]
    found = caption_statistics(different)
    assert found[CIDER] == 0
    assert found["content words used by one annotator only"] == 1
    assert found["entropy of the first two words (bits)"] == 2
    assert found['captions that begin with "there"'] == 0
    assert found["captions with a colour"] == 0.25
