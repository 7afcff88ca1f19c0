"""From X-modaler's files straight to GEG: features, vocabulary and checkpoints in its layout.

The weights are random; names, shapes and wrapping of the tensors are X-modaler's.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from squares import FRAMES, make_corpus

from gegcore.cli import main
from gegcore.data.vocabulary import tokenize
from gegcore.interop.layouts import layout_of
from gegcore.models import ARCHITECTURES, InputSizes, build_captioner
from gegcore.profiles import load_profile
from gegcore.storage import read_json

SIZES = {"train": 24, "val": 9, "test": 9}
REGIONS, WIDTH, POOLED, ATTRIBUTES = 4, 12, 10, 7
PROFILE = """
extends: coco
data:
  json: dataset_squares.json
  images: images
  extractor: stored
  features:
    regions: features/up_down
    pooled: resnet101_pool5.pkl
    attributes: resnet101_mil.pkl
    relations: relationship_coco.pkl
  regions: 4
  image_px: 128
vocabulary: vocabulary.txt
clip: scenes-clip
clip_pretrained: null
calibration: {}
resamples: 100
beams: []
recipes: none
models:
  lstm_a3: {hidden_width: 16}
  attention: {word_width: 16, region_width: 16, hidden_width: 16, attention_width: 16}
  updown: {word_width: 16, region_width: 16, hidden_width: 16, attention_width: 16}
  gcn_lstm: {word_width: 16, hidden_width: 16, attention_width: 16}
  transformer: {width: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, ffn_width: 16}
  meshed_memory: {width: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, ffn_width: 16}
  xlan: {width: 16, word_width: 16, heads: 2, encoder_layers: 1, attention_width: 8}
objectives:
  scst_geg: {epochs: 1, images_per_step: 12}
"""


def write_features(folder: Path, ids: range) -> None:
    """An npz an image with one array, and dicts of arrays, as X-modaler has them."""
    rng = np.random.default_rng(0)
    (folder / "features" / "up_down").mkdir(parents=True)
    for image in ids:
        rows = rng.normal(size=(REGIONS, WIDTH)).astype(np.float32)
        np.savez(folder / "features" / "up_down" / f"{image}.npz", feat=rows)
    arrays = {
        "resnet101_pool5": {str(i): rng.normal(size=POOLED).astype(np.float32) for i in ids},
        "resnet101_mil": {str(i): rng.random(ATTRIBUTES).astype(np.float32) for i in ids},
        "relationship_coco": {i: rng.integers(0, 21, (REGIONS, REGIONS)) for i in ids},
    }
    for name, content in arrays.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(content))


def write_checkpoint(path: Path, model: str, words: int, sizes: dict[str, Any]) -> None:
    """Of random weights, under X-modaler's names, as fvcore wraps them."""
    torch.manual_seed(1)
    inputs = InputSizes(WIDTH, POOLED, ATTRIBUTES, 21)
    state = {}
    for ours, tensor in build_captioner(model, words + 1, inputs, **sizes).state_dict().items():
        names = layout_of(model).theirs(ours)
        parts = tensor.chunk(len(names), 0) if tensor.dim() else [tensor]
        state |= dict(zip(names, (part.clone() for part in parts), strict=True))
    torch.save({"model": state, "iteration": 7}, path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    make_corpus(folder, SIZES)
    write_features(folder, range(sum(SIZES.values())))
    said = (
        " ".join(FRAMES).replace("{c}", "red green blue").replace("{s}", "plain striped chequered")
    )
    words = [*dict.fromkeys(tokenize(said)), "UNK"]
    (folder / "vocabulary.txt").write_text("".join(f"{word}\n" for word in words))
    (folder / "mine.yaml").write_text(PROFILE)
    for model, sizes in yaml.safe_load(PROFILE)["models"].items():
        write_checkpoint(folder / f"{model}.pth", model, len(words), sizes)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GEGCORE_HOME", str(folder))
        monkeypatch.chdir(folder)
        yield folder


def imported(model: str, objective: str) -> int:
    heads = ["--set", "heads=2"] if "heads" in yaml.safe_load(PROFILE)["models"][model] else []
    names = ["--model", model, "--objective", objective, "--profile", "mine.yaml", *heads]
    return main(["import-xmodaler", f"{model}.pth", "vocabulary.txt", *names])


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_checkpoint_becomes_the_run_that_geg_starts_from(
    home: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(model, "scst") == 0
    run = load_profile("mine.yaml").run(model, "scst", 1)
    assert f"{run.name}: imported to" in capsys.readouterr().out
    assert run.training()["imported"].keys() == {f"{model}.pth", "vocabulary.txt"}


@pytest.mark.parametrize("model", ["lstm_a3", "gcn_lstm", "xlan"])
def test_geg_goes_on_from_it_without_mle(home: Path, model: str) -> None:
    """Attributes and pooled features, relations, regions: of three captioners each its own."""
    profile = load_profile("mine.yaml")
    if not profile.run(model, "scst", 1).path.exists():
        assert imported(model, "scst") == 0
    command = ["run", "--profile", "mine.yaml", "--model", model, "--objective", "scst_geg"]
    assert main(command) == 0
    start = read_json(profile.run(model, "scst", 1).file("training.json"))["history"][0]
    run = profile.run(model, "scst_geg", 1)
    history = read_json(run.file("training.json"))["history"]
    assert history[0] == start and len(history) == 2
    assert run.metrics()["CIDEr"]["n"] == SIZES["test"]
    assert not profile.run(model, "mle", 1).path.exists()


def test_a_stage_that_xmodaler_does_not_have_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        imported("xlan", "scst_geg")
    assert "invalid choice: 'scst_geg'" in capsys.readouterr().err
