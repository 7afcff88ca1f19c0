"""Training a CLIP of the world: what its texts and pictures are, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from emoji_scenes.clip.model import ScenesClip, build_scenes_clip
from emoji_scenes.training_scripts import train_clip
from emoji_scenes.training_scripts.clip_corpus import DETAILED, GAMED, Sampler, WebTexts
from emoji_scenes.training_scripts.clip_steps import Trainer, shifted
from gegcore.clip import load_clip

SCENES, SHORT, LENGTH = 40, 2, 8


def numbered(first: int, *shape: int) -> torch.Tensor:
    """Texts that say which they are: the scene, the kind, the number."""
    ids = first + torch.arange(int(np.prod(shape))).reshape(shape)
    return ids[..., None].expand(*shape, LENGTH).to(torch.int16)


@pytest.fixture
def texts() -> WebTexts:
    fluent = numbered(0, SCENES, DETAILED + SHORT)
    gamed = numbered(5000, SCENES, DETAILED + SHORT, GAMED)
    family = np.repeat(np.arange(SCENES // 5), 5)
    return WebTexts(fluent, gamed, numbered(10000, SCENES, 4), numbered(20000, SCENES, 3), family)


def test_texts_of_a_batch_are_of_its_scenes_in_the_shares_asked_for(texts: WebTexts) -> None:
    scenes = np.tile(np.arange(SCENES), 50)
    sampler = Sampler(texts, noisy=0.25, short=0.4, extra=0.5)
    positive, clean, wrong = sampler(scenes, np.random.default_rng(0))
    said, kinds = positive[:, 0].numpy(), DETAILED + SHORT
    assert (said[clean] // kinds == scenes[clean]).all()
    assert ((said[~clean] - 10000) // 4 == scenes[~clean]).all()
    assert float((~clean).float().mean()) == pytest.approx(0.25, abs=0.04)
    brief = said[clean] % kinds
    assert float((brief >= DETAILED).mean()) == pytest.approx(0.4, abs=0.04)
    assert set(brief) == set(range(kinds)), "every text of a scene is drawn"
    assert len(wrong) == 0.5 * len(scenes)


def test_a_shift_moves_pictures_and_keeps_left_on_the_left() -> None:
    pictures = torch.arange(2 * 3 * 9 * 9).reshape(2, 3, 9, 9).float()
    assert shifted(pictures, 0, np.random.default_rng(0)) is pictures
    seen = set()
    for seed in range(40):
        moved = shifted(pictures, 2, np.random.default_rng(seed))
        ((dy, dx),) = [
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if torch.equal(moved[:, :, 2:7, 2:7], pictures[:, :, 2 + y : 7 + y, 2 + x : 7 + x])
        ]
        seen.add((dy, dx))
        assert moved.shape == pictures.shape
    assert len(seen) > 15, "in all directions"


@pytest.fixture
def options() -> Iterator[list[str]]:
    """A judge so small that it learns in seconds."""
    name = "scenes-siglip"
    config = open_clip.get_model_config(name)
    small = {**config, "vision_cfg": {**config["vision_cfg"], "width": 8, "head_width": 32}}
    registered = open_clip.factory._MODEL_CONFIGS
    registered[name] = small
    yield (
        f"--name {name} --world-seed 5 --scenes {SCENES} --batch 20 --epochs 3 "
        "--texts 2 --shift 2 --annotators 5 --short 0.75 --extra 0.3 --validation 20".split()
    )
    registered[name] = config


def test_an_interrupted_training_goes_on_to_the_same_weights(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [["--cache", str(tmp_path / f"c{i}"), "--output", str(tmp_path)] for i in range(2)]
    train_clip.main(train_clip.parse([*options, *folders[0]]))
    whole = load_clip("scenes-siglip", tmp_path / "scenes_siglip.safetensors")

    whole_fit, begun = Trainer.fit, []

    def cut(self: Trainer, *given: object) -> Iterator[tuple[int, float]]:
        for epoch, loss in whole_fit(self, *given):  # type: ignore[arg-type]
            begun.append(epoch)
            if begun == [0]:
                raise KeyboardInterrupt
            yield epoch, loss

    monkeypatch.setattr(Trainer, "fit", cut)
    with pytest.raises(KeyboardInterrupt):
        train_clip.main(train_clip.parse([*options, *folders[1]]))
    train_clip.main(train_clip.parse([*options, *folders[1]]))
    assert begun == [0, 1, 2], "no epoch is done twice"
    again = load_clip("scenes-siglip", tmp_path / "scenes_siglip.safetensors")
    assert again.digest == whole.digest
    assert not list((tmp_path / "c1").glob("*.state")), "what is finished leaves no state behind"


def test_the_state_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    model = build_scenes_clip("scenes-siglip")
    trainer = Trainer(model, train_clip.parse(["--epochs", "2", "--batch", "20", "--extra", "0"]))
    torch.save({"key": "another", "epoch": 2, "model": {}, "optimiser": {}}, tmp_path / "state")
    assert trainer._resume(tmp_path / "state", "this") == 0
    assert trainer._resume(tmp_path / "absent", "this") == 0


def test_the_towers_may_be_of_different_widths() -> None:
    """A small text tower for the CLIP that rewards: its config alone decides."""
    config = open_clip.get_model_config("scenes-clip")
    text = {**config["text_cfg"], "width": 96, "heads": 3, "layers": 2}
    model = ScenesClip(**{**config, "text_cfg": text})
    assert model.visual.conv1[1].out_channels == config["vision_cfg"]["width"] != 96
    bpe = torch.ones(2, 10, dtype=torch.long)
    assert model.encode_text(bpe.new_ones(2, model.context_length)).shape == (2, 128)
    assert model.encode_image(torch.zeros(2, 128, 128, 3, dtype=torch.uint8)).shape == (2, 128)


def test_the_judge_sees_pixels_in_training_and_evaluation_mode_alike() -> None:
    model = build_scenes_clip("scenes-siglip")
    assert model.train().visual.bn1.training
    rewarded = build_scenes_clip("scenes-clip")
    assert not rewarded.train().visual.conv1[0].training, "its statistics are set from the data"
