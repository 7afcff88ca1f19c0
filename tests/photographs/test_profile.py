"""A profile of photographs, from two files to finished runs, as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from squares import Corpus, make_corpus

from gegcore.cli import main
from gegcore.profiles import load_profile
from photographs import trained
from photographs.encoders import EncoderSettings

PROFILE = """
extends: flickr8k
data: {kind: karpathy, json: squares/dataset_squares.json, images: squares/images, image_px: 64}
group_size: 3
min_count: 1
resamples: 100
objectives:
  mle: {epochs: 2, images_per_step: 8, warmup_steps: 2}
  scst: {epochs: 1, images_per_step: 8, until: null}
  scst_geg: {epochs: 1, images_per_step: 8}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "squares").mkdir()
    corpus: Corpus = make_corpus(folder / "squares", {"train": 24, "val": 9, "test": 9})
    corpus.zipped()
    (folder / "tiny.yaml").write_text(PROFILE)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(home))
    monkeypatch.chdir(home)
    monkeypatch.setattr(trained, "_cached_weights", lambda: None)
    for name in ("CLIP", "SIGLIP", "VSE"):
        given = getattr(trained, name).model_dump() | {"width": 16, "batch": 8, "epochs": 1}
        monkeypatch.setattr(trained, name, EncoderSettings(**given))


def test_one_command_makes_features_and_retrieval_models(home: Path) -> None:
    assert main(["prepare", "--profile", "tiny.yaml"]) == 0
    artifacts = home / "artifacts" / "tiny"
    made = {path.name for path in artifacts.iterdir()}
    assert made >= {"attributes", "clip", "data", "features", "groups", "retrieval"}
    models = {path.name for path in (artifacts / "retrieval").iterdir()}
    assert models == {"clip", "clip-half0", "clip-half1"}


@pytest.mark.parametrize("model", ["lstm_a3", "gcn_lstm"])
def test_attributes_and_relations_are_read(home: Path, model: str) -> None:
    command = ["run", "--profile", "tiny.yaml", "--model", model, "--objective", "mle"]
    assert main(command) == 0


def test_a_captioner_goes_through_all_stages(home: Path) -> None:
    for objective in ("mle", "scst", "scst_geg"):
        assert main(["run", "--profile", "tiny.yaml", "--objective", objective]) == 0
    run = home / "runs" / "tiny" / "transformer-scst_geg-seed1"
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    wanted = {"CIDEr", "R@1", "R@1 judge SigLIP", "R@1 VSE++", "GEG-Avg", "CIDErBtw", "DisWordRate"}
    assert wanted <= {*metrics}
    scores = pd.read_parquet(run / "per_caption.parquet")
    assert len(scores) == 9 and scores["rank"].between(0, 8).all()
    config = (run / "config.yaml").read_text()
    assert str(home) not in config


def test_any_photograph_can_be_captioned(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of any size and mode; and what cannot be captioned is named."""
    for objective in ("mle", "scst"):
        assert main(["run", "--profile", "tiny.yaml", "--objective", objective]) == 0
    Image.new("L", (70, 300), 90).save(home / "grey.png")
    Image.new("RGBA", (200, 50), (9, 99, 200, 255)).save(home / "wide.png")
    capsys.readouterr()
    command = ["caption", "--profile", "tiny.yaml", "--objective", "scst", "--json"]
    assert main([*command, "grey.png", "wide.png"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["image_id"] for line in said] == ["grey.png", "wide.png"]
    assert all(isinstance(line["caption"], str) for line in said)
    (home / "text.png").write_text("no picture")
    assert main([*command, "text.png"]) == 1
    assert "text.png does not open as a picture" in capsys.readouterr().err
    assert main(["caption", "--profile", "tiny.yaml", "--objective", "mle_geg", "grey.png"]) == 1
    assert "mle_geg" in capsys.readouterr().err
    assert main([*command, "--profile", "smoke", "--objective", "mle", "grey.png"]) == 1


def test_coco_has_the_settings_of_the_paper() -> None:
    """Sec. 4.1, and X-modaler's recipes where the paper says nothing."""
    profile = load_profile("coco")
    assert (profile.clip, profile.clip_pretrained, profile.group_size) == (
        *("ViT-B-32-quickgelu", "openai"),
        5,
    )
    assert len(profile.experiments.models) == 7 and profile.recipes == "xmodaler"
    for model in profile.experiments.models:
        geg = profile.objective("scst_geg", model)
        assert geg.rewards == {"cider": 0.1, "geg_avg": 10.0}
        assert (geg.learning_rate, geg.epochs, geg.betas) == (5e-5, 10, (0.9, 0.999))
        assert geg.baseline == "greedy"


def test_without_coco_the_command_that_brings_it_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--profile", "coco"]) == 1
    said = capsys.readouterr().err
    assert "`gegcore get coco`" in said and str(home / "data" / "coco" / "images") in said
