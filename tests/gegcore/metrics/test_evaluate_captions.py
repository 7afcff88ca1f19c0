"""One call gives every metric of the paper, with intervals, per-caption values and a signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from metric_captions import HYPOTHESES, REFERENCES
from torch.nn import functional as F

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.truth import truth_metric
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ConfigError, DataError
from gegcore.groups import SimilarGroups
from gegcore.metrics import spice
from gegcore.metrics.chair import ImageObjects, chair_metric
from gegcore.metrics.evaluate import (
    METRICS,
    OWN_NAMES,
    Compute,
    Evaluation,
    evaluate_captions,
)
from gegcore.metrics.inputs import Judged, MetricInputs, Pictures
from gegcore.metrics.meteor import Meteor
from gegcore.metrics.presentation import FAMILIES
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

# The order of the split is not that of the captions, and four images have no caption.
IMAGE_IDS = [100, *reversed(HYPOTHESES), 101, 102, 103]


class World:
    """Scenes under the ids of these captions."""

    _drawn = ScenesDataset("val", len(IMAGE_IDS)).records
    records = [replace(r, image_id=i) for i, r in zip(IMAGE_IDS, _drawn, strict=True)]


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


def _pictures() -> Pictures:
    clip = LetterClip()
    noise = torch.randn(len(IMAGE_IDS), 32, generator=torch.Generator().manual_seed(0))
    texts = [REFERENCES.get(image, ["nothing"])[0] for image in IMAGE_IDS]
    images = F.normalize(clip.encode_texts(texts) + 0.1 * noise, dim=-1)
    table = EmbeddingTable(images, clip.encode_texts(texts), torch.arange(len(texts)), {})
    return Pictures(clip, table, IMAGE_IDS, _groups(len(IMAGE_IDS)))


def chair(given: MetricInputs) -> Scores:
    """The metric, of images in which nothing is marked."""
    return chair_metric(ImageObjects(dict.fromkeys(given.captions, frozenset()), "nothing"), given)


def _evaluate(
    more: Sequence[Compute] = (truth_metric, chair),
    pictures: Pictures | None = None,
    **changes: Any,
) -> Evaluation:
    pictures = pictures or _pictures()
    table = replace(pictures.table, images=pictures.table.images.flip(-1))
    arguments: dict[str, Any] = {
        "captions": HYPOTHESES,
        "references": REFERENCES,
        "pictures": pictures,
        "judges": {"judge": Judged(pictures.clip, table)},
        "dataset": World,
        "spice": False,
    }
    return evaluate_captions(MetricInputs(**(arguments | changes)), more, resamples=200)


@pytest.fixture(scope="module")
def evaluation(meteor: Meteor) -> Evaluation:
    return _evaluate()


def _of_judge(evaluation: Evaluation) -> set[str]:
    return {name for name in evaluation.metrics if name.endswith(" judge")}


def test_every_metric_has_a_value_and_an_interval(evaluation: Evaluation) -> None:
    named = {name for metric in METRICS for name in metric.of_pictures}
    names = {*named, *(name for members in FAMILIES.values() for name in members)}
    assert names == {*evaluation.metrics, *evaluation.missing} - _of_judge(evaluation)
    assert {name.removesuffix(" judge") for name in _of_judge(evaluation)} <= named
    assert len(_of_judge(evaluation)) == 5
    for name, metric in evaluation.metrics.items():
        low, high = metric["ci95"]
        assert low <= high and metric["n"] == len(HYPOTHESES), name
        assert metric["value"] == pytest.approx(evaluation.statistics[name].value())
    columns = {name for name in evaluation.per_caption if not name.endswith(" judge")}
    assert names | columns <= OWN_NAMES | {"true facts"}  # that of a profile's own metric
    json.dumps({"metrics": evaluation.metrics, "signature": evaluation.signature}, allow_nan=False)


def test_means_of_the_table_are_the_metrics(evaluation: Evaluation) -> None:
    table = evaluation.per_caption
    numbers = table.drop(columns=["image_id", "caption", "hallucinated"])
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
    table = evaluation.per_caption.set_index("image_id")
    caption = LetterClip().encode_texts([HYPOTHESES[4]])[0]
    scores = (_pictures().table.images @ caption).numpy()
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
        patch.setattr(spice, "spice_problem", lambda: "no jars: gegcore setup-spice")
        assert _evaluate(spice=True).missing["SPICE"] == "no jars: gegcore setup-spice"


def test_captions_of_all_images_are_compared_with_their_groups_references(meteor: Meteor) -> None:
    ids = list(HYPOTHESES)
    images = F.normalize(torch.rand(len(ids), 32), dim=-1)
    texts = LetterClip().encode_texts([REFERENCES[image][0] for image in ids])
    table = EmbeddingTable(images, texts, torch.arange(len(ids)), {})
    pictures = Pictures(LetterClip(), table, ids, _groups(len(ids)))
    given: dict[str, Any] = {"pictures": pictures, "judges": {}, "more": ()}
    forward = _evaluate(**given)
    assert set(forward.missing) == {"SPICE"} and "listener R@1" not in forward.metrics
    assert forward.metrics["CIDErBtw"]["value"] < forward.metrics["CIDEr"]["value"]
    assert list(forward.metrics["DisWordRate"]["ci95"])
    # The order of the captions plays no part.
    captions = dict(reversed(HYPOTHESES.items()))
    backward = _evaluate(**given, captions=captions)
    for name, metric in forward.metrics.items():
        assert backward.metrics[name]["value"] == pytest.approx(metric["value"]), name


def test_same_input_same_output(evaluation: Evaluation, meteor: Meteor) -> None:
    again = _evaluate()
    assert again.metrics == evaluation.metrics
    assert again.per_caption.equals(evaluation.per_caption)


def test_without_pictures_what_needs_them_is_missing(meteor: Meteor) -> None:
    given = MetricInputs(HYPOTHESES, REFERENCES, spice=False)
    found = evaluate_captions(given, resamples=100, no_pictures="not given")
    named = {name for metric in METRICS for name in metric.of_pictures}
    assert {name for name, why in found.missing.items() if why == "not given"} == named
    assert not named & set(found.metrics) and "clip" not in found.signature


def test_a_metric_more_is_one_function_and_no_metric_is_computed_twice(meteor: Meteor) -> None:
    def last_words(given: MetricInputs) -> Scores:
        values = np.array([float(len(said)) for said in given.captions.values()])
        return Scores({"letters": Statistic.mean(values)}, {"letters": values}, {"letters": "all"})

    found = _evaluate([last_words])
    assert list(found.metrics)[-1] == "letters" and found.signature["letters"] == "all"
    assert found.metrics["letters"]["value"] == pytest.approx(found.per_caption["letters"].mean())
    with pytest.raises(ConfigError, match="twice: letters"):
        _evaluate([last_words, last_words])


@pytest.mark.parametrize("column", ["rank", "similarity", "length", "caption", "image_id"])
def test_no_metric_replaces_a_column(column: str, meteor: Meteor) -> None:
    def other(given: MetricInputs) -> Scores:
        return Scores({}, {column: np.zeros(len(given.captions))})

    with pytest.raises(ConfigError, match=f"twice: {column}"):
        _evaluate([other])


def test_no_captions(meteor: Meteor) -> None:
    with pytest.raises(DataError, match="no captions"):
        _evaluate(captions={}, references={})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image_ids": [0, *IMAGE_IDS]}, "16 image ids but 15 image embeddings"),
        ({"image_ids": [IMAGE_IDS[0], *IMAGE_IDS[:-1]]}, "listed twice"),
        ({"image_ids": [*range(-15, 0)]}, "11 captioned images have no embedding"),
        ({"groups": _groups(13)}, "groups of 13 images, embeddings of 15"),
    ],
)
def test_pictures_that_do_not_fit(changes: dict[str, Any], named: str, meteor: Meteor) -> None:
    with pytest.raises(DataError, match=named):
        _evaluate(pictures=replace(_pictures(), **changes))


def test_broken_clip_is_noticed(meteor: Meteor) -> None:
    class Broken(LetterClip):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            return torch.full((len(texts), 32), np.nan)

    with pytest.raises(DataError, match="NaN"):
        _evaluate(pictures=replace(_pictures(), clip=Broken()))
