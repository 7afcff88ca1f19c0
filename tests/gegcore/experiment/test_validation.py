"""What a run is validated by: each number of it computed a second time, here."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_captioners import VOCAB, features, small
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import embed_dataset, load_clip
from gegcore.data.vocabulary import Vocabulary
from gegcore.decoding import decode
from gegcore.experiment import validation
from gegcore.experiment.validation import Validator, greedy_captions
from gegcore.rewards import cider_d, document_frequency

SPLITS = {"train": ScenesDataset("train", 8), "val": ScenesDataset("val", 12)}
CLIP = load_clip("scenes-clip")
WORDS = Vocabulary.build((c for r in SPLITS["train"].records for c in r.captions), min_count=1)
REFERENCES = {
    split: [[WORDS.encode(c) for c in record.captions] for record in data.records]
    for split, data in SPLITS.items()
}
IMAGES = embed_dataset(CLIP, SPLITS["val"]).images
GROUPS = torch.tensor([[(i + 1) % 12, (i + 5) % 12] for i in range(12)])
MAX_LEN = 14


def materials() -> Any:
    return SimpleNamespace(
        data=SPLITS,
        vocabulary=WORDS,
        references=REFERENCES.__getitem__,
        clip=CLIP,
        tables={"val": SimpleNamespace(images=IMAGES)},
        groups={"val": SimpleNamespace(index=GROUPS)},
        device=torch.device("cpu"),
    )


def said(width: int = MAX_LEN) -> Tensor:
    """Of two images and every other its own caption, of the rest that of the image before."""
    tokens = torch.zeros(12, width, dtype=torch.long)
    for image in range(12):
        ids = REFERENCES["val"][image - (image % 2 and image > 1)][2][:width]
        tokens[image, : len(ids)] = torch.tensor(ids)
    return tokens


@pytest.fixture
def validator(monkeypatch: pytest.MonkeyPatch) -> Validator:
    """Of a model that says `said()` and nothing else."""

    def say(materials: Any, model: Any, split: str) -> Tensor:
        assert (model, split) == ("the model", "val")
        return said()

    monkeypatch.setattr(validation, "greedy_captions", say)
    return Validator(materials())


def test_every_number_is_what_its_name_says(validator: Validator) -> None:
    found = validator("the model")  # type: ignore[arg-type]
    captions = CLIP.encode_texts([WORDS.decode(ids) for ids in said().tolist()])
    similarity = (captions.double() @ IMAGES.double().T).tolist()
    average, minimum, ranks = [], [], []
    for image, row in enumerate(similarity):
        others = [row[other] for other in GROUPS[image].tolist()]
        average.append(row[image] - sum(others) / 2)
        minimum.append(row[image] - max(others))
        ranks.append(sum(value > row[image] for value in row))
    frequency = document_frequency(REFERENCES["train"], len(WORDS))
    scores = cider_d(said()[:, None], REFERENCES["val"], frequency)
    expected = {
        "CIDEr-D": 100 * scores.mean().item(),
        "R@1": 100 * sum(rank == 0 for rank in ranks) / 12,
        "R@5": 100 * sum(rank < 5 for rank in ranks) / 12,
        "GEG-Avg": sum(average) / 12,
        "GEG-Min": sum(minimum) / 12,
        "length": sum(len([i for i in row if i]) for row in said().tolist()) / 12,
        "opening": max(Counter((a, b) for a, b, *_ in said().tolist()).values()) / 12,
        "different": len(set(map(tuple, said().tolist()))) / 12,
    }
    assert len({round(value, 3) for value in expected.values()}) == 8
    assert 0 < expected["R@1"] < expected["R@5"] < 100
    assert found == pytest.approx(expected, abs=1e-4)
    assert list(found) == list(expected)


def test_the_captions_shown_are_always_those_of_the_same_images(validator: Validator) -> None:
    assert validator.captions == {}
    validator("the model")  # type: ignore[arg-type]
    captions = {
        str(record.image_id): WORDS.decode(ids)
        for record, ids in zip(SPLITS["val"].records, said().tolist(), strict=True)
    }
    assert len(validator.captions) == 8 and validator.captions.items() <= captions.items()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert validator.shown == Validator(materials()).shown == order[:8].tolist()


def test_captions_are_embedded_as_the_metrics_embed_them(validator: Validator) -> None:
    """In float32 on a GPU too, and each caption once."""
    assert (validator.encoder.dynamic_shapes, validator.encoder.precision) == (True, torch.float32)


class Store:
    """Features of as many images as asked for."""

    def __init__(self, images: int) -> None:
        self.all = features(images, 3)

    def batch(self, rows: list[int]) -> Any:
        return self.all.select(rows)


@pytest.mark.parametrize("batch", [1, 3, 128])
def test_greedy_captions_are_those_of_each_image(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """In batches of any size; without the word that is never said."""
    monkeypatch.setattr(validation, "_IMAGES_PER_BATCH", batch)
    model, store, count = small("updown"), Store(7), 7
    unknown = int(decode(model, model.encode(store.batch([0])), max_len=9).tokens[0, 0, 0])
    given: Any = SimpleNamespace(
        features={"val": store},
        profile=SimpleNamespace(max_len=9),
        data={"val": SimpleNamespace(records=[None] * count)},
        vocabulary=SimpleNamespace(forbidden=(unknown,)),
        device=torch.device("cpu"),
    )
    for training in (True, False):
        model.train(training)
        found = greedy_captions(given, model, "val")
        assert model.training is training
        assert found.shape == (count, 9) and found.dtype == torch.int64
        assert found.max() < VOCAB and not (found == unknown).any()
        model.eval()
        for image in range(count):
            memory = model.encode(store.batch([image]))
            alone = decode(model, memory, max_len=9, forbid=(unknown,)).tokens[0, 0]
            assert found[image, : len(alone)].tolist() == alone.tolist()
            assert not found[image, len(alone) :].any()
