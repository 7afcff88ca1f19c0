"""Stored attention: taken from the greedy captions of finished runs, and fit to be drawn."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from finished_runs import write_records
from PIL import Image
from safetensors.torch import save_file

from bookkit.report.attention import (
    ATTENDING,
    as_png,
    attention_in_words,
    attention_record,
    main,
    sharpest,
    write_record,
)
from emoji_scenes.scenes.graph import SceneGraph
from gegcore.errors import DataError
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models import shift_right
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder
from gegcore.storage import read_json, write_json

SMOKE = load_profile("smoke")
STORED = sorted(Path(__file__).parents[3].joinpath("results", "attention").glob("*.json"))


def finished(materials: Materials, model: str) -> RunFolder:
    """A run folder with the weights of an untrained model."""
    run = RunFolder.of("smoke", model, "mle", 1)
    run.path.mkdir(parents=True)
    save_file(new_captioner(materials, model, seed=1).state_dict(), run.checkpoint)
    write_json(run.file("metrics.json"), {"metrics": {}})
    trained = {"git_revision": "0123abcd", "created": "2026-01-02T03:04:05+00:00"}
    write_json(run.file("provenance.json"), {"trained": trained})
    write_records(run, SMOKE, model, "mle")
    return run


@pytest.mark.parametrize("model", ATTENDING)
def test_stored_weights_are_those_of_the_greedy_caption(
    model: str, smoke_home: Path, tmp_path: Path
) -> None:
    materials = Materials.of(SMOKE)
    run = finished(materials, model)
    record = attention_record(SMOKE, model, "mle", 1)
    write_record(tmp_path / "kept", record)
    assert read_json(tmp_path / "kept" / f"{model}.json") == record
    assert record["run"] == run.name
    captioner = new_captioner(materials, model, seed=1).eval()
    ids = {r.image_id: i for i, r in enumerate(materials.data["test"].records)}
    for example in record["examples"]:
        batch = materials.features["test"].batch([ids[example["image_id"]]])
        said = [materials.vocabulary.words.index(word) + 1 for word in example["words"]]
        tokens = torch.tensor([[said]])
        with torch.no_grad():
            expected = captioner.attention(captioner.encode(batch), shift_right(tokens))
        weights = torch.tensor(example["weights"])
        assert torch.allclose(weights, expected[0, 0][:, batch.mask[0]], atol=1e-3)
        assert torch.allclose(torch.tensor(example["boxes"]), batch.boxes[batch.mask], atol=1e-3)
    families = {SceneGraph.from_dict(example["scene"]).family for example in record["examples"]}
    assert len(families) == 2


def test_models_without_attention_and_unfinished_runs_are_refused(
    smoke_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(Materials.of(SMOKE), "lstm_a3")
    with pytest.raises(DataError, match="looks at no regions"):
        attention_record(SMOKE, "lstm_a3", "mle", 1)
    assert main(["--profile", "smoke", "--model", "xlan"]) == 1
    assert "xlan-mle-seed1" in capsys.readouterr().err


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_what_is_stored_can_be_drawn(path: Path) -> None:
    record = json.loads(path.read_text())
    assert record["model"] == path.stem and record["examples"]
    for example in record["examples"]:
        weights = torch.tensor(example["weights"])
        assert weights.shape == (len(example["words"]), len(example["boxes"]))
        assert torch.allclose(weights.sum(1), torch.ones(len(weights)), atol=0.02)
        assert SceneGraph.from_dict(example["scene"]).image_id == example["image_id"]


def test_an_example_in_words() -> None:
    example = {"words": ["a", "red", "kite"], "weights": [[0.6, 0.4], [0.1, 0.9], [0.5, 0.5]]}
    listed = "Largest weight of a region at each word: a 60%, red 90%, kite 50%."
    assert attention_in_words(example) == f"“a red kite”. {listed}"
    said = "“a red kite”: attention is most concentrated at “red”, 90% on one region;"
    assert sharpest(example) == f"{said} the mean over words is 67%."


def test_a_figure_is_a_picture_with_what_it_shows() -> None:
    figure, _ = plt.subplots(figsize=(3, 2), dpi=50, facecolor="white")
    shown = as_png(figure, 'a "red" kite', "most at <red>").body
    assert not plt.get_fignums()
    ((png, alt),) = re.findall(r'src="data:image/png;base64,([^"]+)" alt="([^"]*)"', shown)
    assert html.unescape(alt) == 'a "red" kite' and "most at &lt;red&gt;" in shown
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    assert image.size == (150, 100) and image.getpixel((0, 0)) == (255, 255, 255)


def test_all_models_are_shown_on_the_same_pictures() -> None:
    shown = {tuple(e["image_id"] for e in read_json(path)["examples"]) for path in STORED}
    assert {path.stem for path in STORED} == set(ATTENDING) and len(shown) == 1
