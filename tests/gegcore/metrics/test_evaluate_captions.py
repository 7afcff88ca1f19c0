"""One call gives every metric of the paper, with intervals, per-caption values and a signature."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from emoji_scenes.judges import Judged
from metric_captions import HYPOTHESES, REFERENCES
from torch.nn import functional as F

from emoji_scenes.dataset import ScenesDataset
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import DataError
from gegcore.groups import SimilarGroups
from gegcore.metrics import evaluate as module
from gegcore.metrics.evaluate import Evaluation, evaluate_captions
from gegcore.metrics.meteor import Meteor

NAMES = [
    "CIDEr", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L",
    "distinct-1", "distinct-2", "vocabulary", "repetition", "bad endings", "length",
    "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min", "bag R@1", "CLIPScore", "RefCLIPScore",
    "R@1 judge", "R@5 judge", "R@10 judge", "GEG-Avg judge", "GEG-Min judge",
    "fact precision", "detail recall", "facts", "listener R@1",
]  # fmt: skip
COLUMNS = [
    "image_id", "caption", "CIDEr", "METEOR", "ROUGE-L", "rank", "GEG-Avg", "GEG-Min", "similarity",
]  # fmt: skip
# The order of the split is not that of the captions, and four images have no caption.
IMAGE_IDS = [100, *reversed(HYPOTHESES), 101, 102, 103]


WORLD = ScenesDataset("val", len(IMAGE_IDS))


class LetterClip:
    """Embeds a caption by its letters: enough to stand for CLIP."""

    name, digest = "letters", "0123456789abcdef"

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        rows = torch.zeros(len(texts), 32)
        for row, text in zip(rows, texts, strict=True):
            for letter in text:
                row[ord(letter) % 32] += 1.0
        return F.normalize(rows + 0.01, dim=-1)


def _groups(images: int) -> SimilarGroups:
    index = (torch.arange(images)[:, None] + torch.tensor([1, 2, 5])) % images
    key = {"clip": "letters", "clip_digest": "01", "captions_digest": "02"}
    return SimilarGroups(index, torch.zeros(images, 3), key)


def _evaluate(**changes: Any) -> Evaluation:
    clip = LetterClip()
    noise = torch.randn(len(IMAGE_IDS), 32, generator=torch.Generator().manual_seed(0))
    texts = [REFERENCES.get(image, ["nothing"])[0] for image in IMAGE_IDS]
    images = F.normalize(clip.encode_texts(texts) + 0.1 * noise, dim=-1)
    table = EmbeddingTable(images, clip.encode_texts(texts), torch.arange(len(texts)), {})
    arguments: dict[str, Any] = {
        "captions": HYPOTHESES,
        "references": REFERENCES,
        "clip_model": clip,
        "table": table,
        "image_ids": IMAGE_IDS,
        "groups": _groups(len(IMAGE_IDS)),
        "judges": {"judge": Judged(clip, replace(table, images=images.flip(-1)))},
        "scenes": {image: WORLD.scene(i) for i, image in enumerate(IMAGE_IDS)},
        "spice": False,
        "resamples": 200,
    }
    return evaluate_captions(**(arguments | changes))


@pytest.fixture(scope="module")
def evaluation(meteor: Meteor) -> Evaluation:
    return _evaluate()


def test_every_metric_has_a_value_and_an_interval(evaluation: Evaluation) -> None:
    assert list(evaluation.metrics) == NAMES
    for name, metric in evaluation.metrics.items():
        low, high = metric["ci95"]
        assert low <= high and metric["n"] == len(HYPOTHESES), name
        assert metric["value"] == pytest.approx(evaluation.statistics[name].value())
    json.dumps({"metrics": evaluation.metrics, "signature": evaluation.signature}, allow_nan=False)


def test_means_of_the_table_are_the_metrics(evaluation: Evaluation) -> None:
    table = evaluation.per_caption
    assert set(COLUMNS) <= set(table.columns)
    numbers = table.drop(columns=["image_id", "caption"])
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    assert table["image_id"].tolist() == list(HYPOTHESES)
    assert table["caption"].tolist() == list(HYPOTHESES.values())
    for name in ("CIDEr", "ROUGE-L", "GEG-Avg", "GEG-Min"):
        assert evaluation.metrics[name]["value"] == pytest.approx(table[name].mean(), rel=1e-5)
    for k in (1, 5, 10):
        share = 100 * (table["rank"] < k).mean()
        assert evaluation.metrics[f"R@{k}"]["value"] == pytest.approx(share)
    assert 0 < evaluation.metrics["METEOR"]["value"] < 100
    assert evaluation.metrics["CIDEr"]["value"] > 10  # On the scale of the paper's tables.


def test_captions_are_compared_with_their_own_image(evaluation: Evaluation) -> None:
    clip, table = LetterClip(), evaluation.per_caption.set_index("image_id")
    noise = torch.randn(len(IMAGE_IDS), 32, generator=torch.Generator().manual_seed(0))
    texts = [REFERENCES.get(image, ["nothing"])[0] for image in IMAGE_IDS]
    images = F.normalize(clip.encode_texts(texts) + 0.1 * noise, dim=-1)
    caption = clip.encode_texts([HYPOTHESES[4]])[0]
    scores = (images @ caption).numpy()
    own = IMAGE_IDS.index(4)
    group = scores[_groups(len(IMAGE_IDS)).index[own].numpy()]
    assert table.loc[4, "similarity"] == pytest.approx(scores[own], abs=1e-6)
    assert table.loc[4, "rank"] == (scores > scores[own]).sum()
    assert table.loc[4, "GEG-Avg"] == pytest.approx(scores[own] - group.mean(), abs=1e-6)
    assert table.loc[4, "GEG-Min"] == pytest.approx(scores[own] - group.max(), abs=1e-6)


def test_signature_says_what_was_measured_with_what(evaluation: Evaluation) -> None:
    signature = evaluation.signature
    assert (signature["clip"], signature["clip_digest"]) == ("letters", "0123456789abcdef")
    assert (signature["captions"], signature["images"], signature["K"]) == (11, 15, 3)
    assert signature["resamples"] == 200 and signature["seed"] == 0
    assert signature["groups"]["clip"] == "letters"
    assert "PTB" in signature["tokenizer"] and "1.5" in signature["METEOR"]


def test_what_could_not_be_had_is_said(evaluation: Evaluation, meteor: Meteor) -> None:
    assert set(evaluation.missing) == {"SPICE", "CIDErBtw", "DisWordRate"}
    assert "caption all of them" in evaluation.missing["CIDErBtw"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "spice_problem", lambda: "no jars: gegcore setup-spice")
        assert _evaluate(spice=True).missing["SPICE"] == "no jars: gegcore setup-spice"


def test_captions_of_all_images_are_compared_with_their_groups_references(meteor: Meteor) -> None:
    ids = list(HYPOTHESES)
    images = F.normalize(torch.rand(len(ids), 32), dim=-1)
    texts = LetterClip().encode_texts([REFERENCES[image][0] for image in ids])
    table = EmbeddingTable(images, texts, torch.arange(len(ids)), {})
    given = {"table": table, "groups": _groups(len(ids)), "judges": None, "scenes": None}
    forward = _evaluate(**given, image_ids=ids)
    assert set(forward.missing) == {"SPICE"} and "listener R@1" not in forward.metrics
    assert forward.metrics["CIDErBtw"]["value"] < forward.metrics["CIDEr"]["value"]
    assert list(forward.metrics["DisWordRate"]["ci95"])
    # The order of the captions plays no part.
    captions = dict(reversed(HYPOTHESES.items()))
    backward = _evaluate(**given, image_ids=ids, captions=captions)
    for name, metric in forward.metrics.items():
        assert backward.metrics[name]["value"] == pytest.approx(metric["value"]), name


def test_same_input_same_output(evaluation: Evaluation, meteor: Meteor) -> None:
    again = _evaluate()
    assert again.metrics == evaluation.metrics
    assert again.per_caption.equals(evaluation.per_caption)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"captions": {}, "references": {}}, "no captions"),
        ({"image_ids": [0, *IMAGE_IDS]}, "16 image ids but 15 image embeddings"),
        ({"image_ids": [IMAGE_IDS[0], *IMAGE_IDS[:-1]]}, "listed twice"),
        ({"image_ids": [*range(-15, 0)]}, "11 captioned images have no embedding"),
        ({"groups": _groups(13)}, "groups of 13 images, embeddings of 15"),
    ],
)
def test_input_that_does_not_fit(changes: dict[str, Any], named: str, meteor: Meteor) -> None:
    with pytest.raises(DataError, match=named):
        _evaluate(**changes)


def test_broken_clip_is_noticed(meteor: Meteor) -> None:
    class Broken(LetterClip):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            return torch.full((len(texts), 32), np.nan)

    with pytest.raises(DataError, match="NaN"):
        _evaluate(clip_model=Broken())
