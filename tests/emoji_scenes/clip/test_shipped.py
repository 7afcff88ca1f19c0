"""The shipped CLIPs of the embedded world: they load, they retrieve, they are not fooled."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emoji_scenes.clip.model import MODELS
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts
from emoji_scenes.training_scripts.clip_quality import gaming, recalls
from emoji_scenes.vision.trunk import Trunk
from emoji_scenes.vision.weights import FOLDER, load_shipped
from gegcore.clip import ClipModel, WordToBpe, load_clip
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ChecksumError, DataError, MissingDependencyError

SCENES = 100
LEAST = {"scenes-clip": 85, "scenes-siglip": 65}  # R@1 of alt-texts among these scenes
FILES = ("scenes_clip.safetensors", "scenes_clip.json", "scenes_clip_bpe.txt.gz")


@pytest.fixture(scope="module", params=MODELS)
def clip(request: pytest.FixtureRequest) -> ClipModel:
    return load_clip(request.param)


@pytest.fixture(scope="module")
def held_out() -> ScenesDataset:
    return ScenesDataset("val", SCENES)


@pytest.fixture(scope="module")
def pictures(clip: ClipModel, held_out: ScenesDataset) -> torch.Tensor:
    return clip.encode_images(held_out.images(range(SCENES)))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def test_it_tells_scenes_apart(
    clip: ClipModel, held_out: ScenesDataset, pictures: torch.Tensor
) -> None:
    web = [alt_texts(held_out.scene(i), 5, 1)[0] for i in range(SCENES)]
    human = [record.captions[0] for record in held_out.records]
    detailed = recalls(clip.encode_texts(web), pictures)
    generic = recalls(clip.encode_texts(human), pictures)
    least = LEAST[clip.name]
    assert detailed["R@1"] > least and detailed["R@5"] > least + 10
    assert 15 < generic["R@1"] < detailed["R@1"] - 15
    won = gaming(clip, web, pictures, seed=0)
    # A text cut short is often still right, so CLIP minds it least.
    assert won.pop("dangling") > 60
    assert min(won.values()) > 85


def test_pictures_of_any_size_and_kind(clip: ClipModel, held_out: ScenesDataset) -> None:
    pixels = held_out.images([3])
    small = clip.encode_images(pixels)
    torch.testing.assert_close(clip.encode_images([Image.fromarray(pixels[0])]), small)
    large = np.asarray(Image.fromarray(pixels[0]).resize((256, 256)))
    assert float((clip.encode_images(large[None]) * small).sum()) > 0.9


def test_every_word_of_the_world_is_one_token(held_out: ScenesDataset) -> None:
    clip = load_clip("scenes-clip")  # the one that reads the words of captioners in training
    captions = [caption for record in held_out.records for caption in record.captions]
    words = Vocabulary.build(captions, min_count=1)
    lookup = WordToBpe(words.words, clip.tokenizer)
    assert float((lookup.pieces[1:-1] == 1).float().mean()) > 0.98
    tokens = torch.zeros(20, 40, dtype=torch.long)
    for row, caption in enumerate(captions[:20]):
        ids = words.encode(caption)
        tokens[row, : len(ids)] = torch.tensor(ids)
    expected = clip.encode_texts([words.decode(row.tolist()) for row in tokens])
    torch.testing.assert_close(clip.encode_tokens(lookup(tokens)), expected, atol=1e-5, rtol=1e-5)


def test_the_digest_does_not_change_between_loads(clip: ClipModel) -> None:
    assert load_clip(clip.name).digest == clip.digest


def test_the_judge_shares_nothing_with_the_clip_that_rewards(held_out: ScenesDataset) -> None:
    rewarded, judge = (load_clip(name) for name in MODELS)
    judge.encode_images(held_out.images([0]))
    rewarded.encode_images(held_out.images([0]))
    assert rewarded.model._trunk, "it reads the frozen trunk that the detector reads"
    networks = [module for module in judge.modules() if isinstance(module, Trunk)]
    assert not networks and not hasattr(judge.model, "_trunk"), "the judge reads pixels"
    shapes = [
        {tuple(p.shape) for p in clip.model.visual.parameters()} for clip in (rewarded, judge)
    ]
    assert not {s for s in shapes[0] & shapes[1] if len(s) > 1}, "another architecture"
    assert rewarded.model.logit_bias is None and judge.model.logit_bias < 0, "another loss"
    said = "a red bus next to two dogs"
    assert rewarded.tokenizer.encode(said) != judge.tokenizer.encode(said), "another BPE"
    seeds = [load_shipped(stem).metadata["command"] for stem in MODELS.values()]
    worlds = [command.split("--world-seed ")[1].split()[0] for command in seeds]
    assert worlds[0] != worlds[1], "other scenes"


def test_damaged_files_are_named(copied: Path) -> None:
    weights = copied / FILES[0]
    assert load_clip("scenes-clip", weights).digest == load_clip("scenes-clip").digest
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ChecksumError, match=r"scenes_clip\.safetensors"):
        load_clip("scenes-clip", weights)
    weights.unlink()
    with pytest.raises(MissingDependencyError, match=r"scenes_clip\.safetensors"):
        load_clip("scenes-clip", weights)


def test_a_damaged_bpe_file_is_named(copied: Path) -> None:
    (copied / FILES[2]).write_bytes(b"not gzip")
    with pytest.raises(DataError, match="BPE"):
        load_clip("scenes-clip", copied / FILES[0])
