"""The script that makes the shipped weights, on very few scenes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.training_scripts.train_detector import Recipe, main, train, world_labels
from emoji_scenes.vision.weights import load_shipped
from gegcore.errors import ConfigError

SMALL = ["--scenes", "8", "--held-out", "2", "--epochs", "1", "--batch", "4", "--name", "tiny"]


def test_the_same_seed_gives_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = {}
    for folder, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        main([*SMALL, "--seed", seed, "--out", str(tmp_path / folder)])
        _, digests[folder] = load_shipped("tiny", tmp_path / folder)
    assert digests["a"]["sha256"] == digests["b"]["sha256"] != digests["c"]["sha256"]
    provenance = digests["a"]
    assert "--scenes 8" in provenance["command"] and provenance["recipe"]["seed"] == 7
    assert provenance["labels"]["entities"] == sorted(ENTITIES)
    assert 0 <= provenance["scores"]["recall"] <= 1
    assert "recall" in capsys.readouterr().out


def test_training_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(Recipe(scenes=8, held_out=1, epochs=1, batch=8), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_too_few_scenes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too few"):
        train(Recipe(scenes=4), tmp_path)


def test_labels_cover_the_world() -> None:
    from emoji_scenes.scenes.sampler import sample_scene

    labels = world_labels()
    for index in range(0, 100, 5):
        scene = sample_scene(0, "web", index)
        assert {thing.entity for thing in scene.things} <= set(labels.entities)
        assert {thing.colour for thing in scene.things} - {None} <= set(labels.colours)
        assert scene.setting in labels.scene["setting"]
        assert scene.time in labels.scene["time"] and scene.weather in labels.scene["weather"]
