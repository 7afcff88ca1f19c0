"""All of MSCOCO's way at a hundredth of a percent of its size, as its user types it.

Download, region features, attributes, relations, groups, training of all seven captioners up to
GEG, evaluation, the gate of CLIP, captions of a photograph, and the pages that show it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
import torch
from PIL import Image
from small_coco import coco_server, small_coco
from torchvision.models import detection

from bookkit.report.frontpage import front_parts
from gegcore.cli import main
from gegcore.experiment.train import train
from gegcore.materials import Materials
from gegcore.models import ARCHITECTURES
from gegcore.profiles import load_profile

ROOT = Path(__file__).resolve().parents[2]
DETECTOR = "fasterrcnn_mobilenet_v3_large_320_fpn"
SIZES = {"train": 160, "val": 20, "test": 20}
PROFILE = f"""
extends: coco
data:
  extractor: regions
  detector: {DETECTOR}
  detector_weights: detector.pth
  network: efficientnet-lite0
  regions: 5
  image_px: 128
clip: scenes-clip
clip_pretrained: null
min_count: 1
resamples: 100
beams: []
recipes: none
models:
  lstm_a3: {{hidden_width: 16}}
  attention: {{word_width: 16, region_width: 16, hidden_width: 16, attention_width: 16}}
  updown: {{word_width: 16, region_width: 16, hidden_width: 16, attention_width: 16}}
  gcn_lstm: {{word_width: 16, hidden_width: 16, attention_width: 16}}
  transformer: {{width: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, ffn_width: 16}}
  meshed_memory: {{width: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, ffn_width: 16}}
  xlan: {{width: 16, word_width: 16, heads: 2, encoder_layers: 1, attention_width: 8}}
objectives:
  mle: {{epochs: 1, images_per_step: 32, learning_rate: 1.0e-2, warmup_steps: 1}}
  scst: {{epochs: 1, images_per_step: 80}}
  scst_geg: {{epochs: 1, images_per_step: 80}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project folder in which `get` and `prepare` have been called."""
    folder = tmp_path_factory.mktemp("home")
    made = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    net = getattr(detection, DETECTOR)(weights=None, weights_backbone=None)
    torch.save(net.state_dict(), folder / "detector.pth")
    (folder / "small.yaml").write_text(PROFILE)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GEGCORE_HOME", str(folder))
        monkeypatch.chdir(folder)
        with coco_server(small_coco(made, SIZES, "jpg"), monkeypatch) as server:
            assert main(["get", "coco", "--mirror", server.url]) == 0
        yield folder


def test_prepare_makes_all_and_the_gate_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CLIP of painted scenes is not the one that is published."""
    assert main(["prepare", "--profile", "small.yaml"]) == 0
    said = capsys.readouterr()
    assert "calibration of CLIP FAILED: R@1" in said.err and "(published 30.44)" in said.err
    made = {path.name for path in (home / "artifacts" / "small").iterdir()}
    assert made == {"attributes", "clip", "data", "features", "groups"}
    assert main(["prepare", "--profile", "small.yaml", "--stage", "data"]) == 0
    assert "calibration" not in capsys.readouterr().err


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_each_captioner_is_trained_up_to_geg(
    home: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = load_profile("small.yaml")
    for objective in ("mle", "scst", "scst_geg"):
        if objective == "scst_geg" or model == "transformer":
            command = ["run", "--profile", "small.yaml", "--model", model]
            assert main([*command, "--objective", objective]) == 0
        else:
            train(Materials.of(profile), model, objective, seed=1)  # and not evaluate
    run = profile.run(model, "scst_geg", 1)
    assert not run.calibration()["passed"] and run.calibration()["n"] == 100
    assert {"CIDEr", "R@1", "GEG-Avg", "CIDErBtw"} <= {*run.metrics()}
    assert "reports carry a red flag" in capsys.readouterr().err


def test_a_photograph_of_ones_own_is_captioned(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (90, 40), "red").save(home / "mine.jpg")
    command = ["caption", "--profile", "small.yaml", "--model", "xlan", "mine.jpg", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["image_id"] == "mine.jpg"


@pytest.mark.parametrize(
    ("page", "flag"),
    [
        ("02_groups", False),
        ("05_results", True),
        ("06_ablations", False),  # of the profile that has them, which it says
        ("07_judges", True),
        ("13_scale", True),
        ("14_study", False),
        ("15_findings", True),
        ("16_errors", False),  # of the embedded world, whose truth is known
        ("18_rivals", False),
        ("19_photographs", True),
    ],
)
def test_pages_run_and_show_runs_under_a_red_flag(home: Path, page: str, flag: bool) -> None:
    source, made = next((ROOT / "notebooks").glob(f"{page}*.ipynb")), home / f"{page}.ipynb"
    profile = {"profile": str(home / "small.yaml")}
    papermill.execute_notebook(source, made, profile, progress_bar=False, cwd=str(home))
    shown = "".join(
        str(output.get("data", {}))
        for cell in nbformat.read(made, as_version=4).cells
        for output in cell.get("outputs", [])
    )
    assert ("Red flag: calibration of CLIP FAILED" in shown) is flag


def test_the_front_page_has_no_picture_of_photographs(home: Path) -> None:
    parts = front_parts(load_profile("small.yaml"))
    assert parts["example"] == "" and "<img" not in "".join(parts.values())
    assert parts["glance"] and parts["finding"]
