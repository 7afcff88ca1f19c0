"""One call gives every metric of the paper, with intervals, per-caption values and a signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from gegcore.metrics import evaluate, judged, spice
from gegcore.metrics.chair import ImageObjects, chair_metric
from gegcore.metrics.evaluate import (
    METRICS,
    OWN_NAMES,
    Compute,
    Evaluation,
    Metric,
    evaluate_captions,
)
from gegcore.metrics.inputs import Judged, MetricInputs, Pictures
from gegcore.metrics.judged import check_judge, judge_scores, open_judges
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


ONES = np.ones(len(HYPOTHESES))


def mine(given: MetricInputs) -> Any:
    return mine.found  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (0.5, "returns a float"),
        ({"x": 0.5}, "returns a dict"),
        (Scores({"x": 0.5}), "'x' of .* is a float"),  # type: ignore[dict-item]
        (Scores({"x": Statistic.mean(np.nan * ONES)}), "'x' of .* is nan"),
        (Scores({"x": Statistic.mean(np.inf * ONES)}), "'x' of .* is inf"),
        (Scores({"x": Statistic.mean(ONES[1:])}), r"'x' of .* has parts \(10, 2\) of 11 captions"),
        (Scores({"x": Statistic(ONES, np.sum)}), r"'x' of .* has parts \(11,\) of 11"),
        (Scores({"x": Statistic(ONES[:, None], np.sum)}), r"`finish` of 'x' .* makes \(\)"),
        (Scores({}, {"x": ONES[1:]}), r"column 'x' of .* has shape \(10,\)"),
    ],
)
def test_what_a_metric_returns_is_checked_at_once(
    found: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any other metric is computed, and by the name that a profile has for it."""
    monkeypatch.setattr(evaluate, "METRICS", ())
    monkeypatch.setattr(evaluate, "start_meteor", lambda: None)
    monkeypatch.setattr(mine, "found", found, raising=False)
    with pytest.raises(ConfigError, match=said) as raised:
        _evaluate([mine])
    assert f"'{__name__}:mine'" in raised.value.what
    monkeypatch.setattr(mine, "found", Scores.means({"x": ONES}))
    assert _evaluate([mine]).metrics["x"]["value"] == 1
    few = Statistic(np.eye(len(ONES))[:, :1], lambda sums: sums[..., 0] / sums[..., 0])
    monkeypatch.setattr(mine, "found", Scores({"x": few}))
    with np.errstate(invalid="ignore"), pytest.raises(ConfigError, match="'x' is NaN .* resamples"):
        _evaluate([mine])


def divides(number: int, given: MetricInputs) -> Scores:
    return Scores.means({"x": ONES / (number // number)})


def test_a_metric_that_fails_is_named_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(given: MetricInputs) -> Scores:
        raise AssertionError

    monkeypatch.setattr(evaluate, "METRICS", (Metric(never),))
    monkeypatch.setattr(evaluate, "start_meteor", lambda: None)
    with pytest.raises(ConfigError, match="modulo by zero") as raised:
        _evaluate([partial(divides, 0)])
    line = divides.__code__.co_firstlineno + 1
    said = f"metric '{__name__}:divides' failed: ZeroDivisionError: "
    assert raised.value.what.startswith(said) and raised.value.what.endswith(f", line {line})")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)

    def refuses(given: MetricInputs) -> Scores:
        raise DataError("in words already")

    with pytest.raises(DataError, match=r"^in words already$"):
        _evaluate([refuses])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: 7 * x, "not L2-normalised: one has length 7"),
        (lambda x: torch.full_like(x, np.nan), "NaN or infinite"),
        (lambda x: x[0], r"of shape \(32,\)"),
    ],
)
@pytest.mark.parametrize("side", ["images", "texts"])
def test_embeddings_of_a_judge_are_checked(side: str, change: Any, said: str) -> None:
    """Judges are opened before captions are scored."""

    class Judge(LetterClip):
        def encode_texts(self, texts: list[str]) -> torch.Tensor:
            found = super().encode_texts(texts)
            return change(found) if side == "texts" else found

    images = _pictures().table.images
    images = change(images) if side == "images" else images
    index, groups = torch.arange(len(IMAGE_IDS)), _groups(len(IMAGE_IDS))
    with pytest.raises(ConfigError, match=f"encode_{side} of judge 'mine' gives .*{said}"):
        judge_scores("mine", Judge(), ["a"] * len(index), images, index, groups)
    table = EmbeddingTable(images, Judge().encode_texts(["a"]), torch.zeros(1).long(), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "embed_dataset", lambda *_: table)
        with pytest.raises(ConfigError, match=f"encode_{side} of judge 'mine'"):
            open_judges({"mine": Judge()}, {"mine": "a:b"}, ScenesDataset("val", 1), Path("x"))


def test_embeddings_in_half_precision_and_of_nothing_are_those_of_a_judge() -> None:
    images = _pictures().table.images
    check_judge("mine", "encode_images", F.normalize(images.bfloat16(), dim=-1))
    check_judge("mine", "encode_images", torch.cat([images, torch.zeros(1, 32)]))
