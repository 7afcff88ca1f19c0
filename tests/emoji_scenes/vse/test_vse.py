"""VSE++: its loss against loops, its towers, the shipped weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.training_scripts.clip_quality import recalls
from emoji_scenes.vision.weights import FOLDER
from emoji_scenes.vse import NAME, STEM, VsePlusPlus, load_vse, word_ids
from gegcore.data.vocabulary import Vocabulary
from gegcore.embeddings import embed_dataset
from gegcore.errors import ChecksumError, ConfigError, DataError, MissingDependencyError
from gegcore.metrics.judged import load_judge
from photographs.hinge_loss import hinge_loss

SCENES = 100


@pytest.fixture(scope="module")
def vse() -> VsePlusPlus:
    return load_vse()


@pytest.fixture(scope="module")
def held_out() -> ScenesDataset:
    return ScenesDataset("val", SCENES)


@given(st.integers(0, 10_000), st.integers(2, 7), st.booleans())
def test_hinges_like_loops(seed: int, size: int, hardest: bool) -> None:
    scores = torch.rand(size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    total = 0.0
    for i in range(size):
        others = [j for j in range(size) if j != i]
        captions = [max(0.0, 0.2 + float(scores[i, j] - scores[i, i])) for j in others]
        pictures = [max(0.0, 0.2 + float(scores[j, i] - scores[i, i])) for j in others]
        total += max(captions) + max(pictures) if hardest else sum(captions) + sum(pictures)
    assert float(hinge_loss(scores, 0.2, hardest)) == pytest.approx(total / size, abs=1e-5)


@pytest.mark.parametrize("hardest", [True, False])
def test_gradient(hardest: bool) -> None:
    scores = torch.rand(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: hinge_loss(x, 0.2, hardest), scores)


def test_padding_does_not_change_a_caption() -> None:
    torch.manual_seed(0)
    words = Vocabulary(["a", "dog", "red"])
    model = VsePlusPlus(words).eval()
    alone = model.captions(word_ids(words, ["a dog"]))
    beside = model.captions(word_ids(words, ["a dog", "a red dog a red dog", ""]))
    torch.testing.assert_close(alone[0], beside[0])
    torch.testing.assert_close(beside.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(model.encode_texts(["a zebra"]), model.encode_texts(["a lion"]))


def test_the_shipped_model_tells_scenes_apart(vse: VsePlusPlus, held_out: ScenesDataset) -> None:
    pictures = vse.encode_images(held_out.images(range(SCENES)))
    human = [record.captions[0] for record in held_out.records]
    found = recalls(vse.encode_texts(human), pictures)
    assert found["R@1"] > 30 and found["R@10"] > 85
    assert recalls(vse.encode_texts(list(reversed(human))), pictures)["R@1"] < 5
    large = [Image.fromarray(held_out.images([3])[0]).resize((256, 256))]
    assert float((vse.encode_images(large) * pictures[3]).sum()) > 0.8


def test_judges_embed_a_split(held_out: ScenesDataset, tmp_path: Path) -> None:
    few = ScenesDataset("val", 6)
    for name in ("scenes-siglip", NAME):
        judge = load_judge(name)
        table = embed_dataset(judge, few, tmp_path / name)
        assert table.key["clip"] == name and len(table.images) == 6
        again = embed_dataset(load_judge(name), few, tmp_path / name)
        assert np.array_equal(again.captions, table.captions)
    with pytest.raises(ConfigError, match="did you mean 'scenes-vse'"):
        load_judge("scenes-vsf")


def test_empty_lists_are_refused(vse: VsePlusPlus) -> None:
    with pytest.raises(DataError, match="captions"):
        vse.encode_texts([])
    with pytest.raises(DataError, match="images"):
        vse.encode_images([])


def test_damaged_files_are_named(vse: VsePlusPlus, tmp_path: Path) -> None:
    for suffix in ("safetensors", "json"):
        shutil.copy(FOLDER / f"{STEM}.{suffix}", tmp_path)
    assert load_vse(tmp_path).digest == vse.digest
    weights = tmp_path / f"{STEM}.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ChecksumError, match=STEM):
        load_vse(tmp_path)
    weights.unlink()
    with pytest.raises(MissingDependencyError, match=STEM):
        load_vse(tmp_path)
