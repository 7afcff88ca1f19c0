"""Where a trained captioner looks while it says each word: taken from runs once, and stored.

The book trains few models itself, so its page draws the examples that `python -m
bookkit.report.attention` has taken from finished runs and stored in `results/attention/`.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from safetensors.torch import load_file

from bookkit.report.page import Html, png_address
from emoji_scenes.dataset import ScenesDataset
from gegcore.decoding import decode
from gegcore.errors import DataError, in_words
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models import Captioner, shift_right
from gegcore.profiles import Profile, load_profile
from gegcore.runs import TRAINED
from gegcore.storage import read_json, sha256_file, write_text

ATTENDING = ("attention", "updown", "gcn_lstm", "transformer", "meshed_memory", "xlan")
"""Models that look at regions; LSTM-A3 does not."""

Record = dict[str, Any]


def attention_record(
    profile: Profile, model_name: str, objective: str, seed: int, count: int = 2
) -> Record:
    """Examples from the checkpoint of a finished run, and which run that was.

    Raises:
        DataError: the run is not finished, or its model does not look at regions.
    """
    run = profile.run(model_name, objective, seed)
    trained = read_json(run.whole("provenance.json"))["trained"]  # raises if it is not finished
    run.check(TRAINED)
    materials = Materials.of(profile)
    model = new_captioner(materials, model_name, seed=0)
    model.load_state_dict(load_file(run.checkpoint))
    positions = telling_scenes(cast(ScenesDataset, materials.data["test"]), count)
    return {
        "format": 1,
        "run": run.name,
        "profile": profile.name,
        "model": model_name,
        "objective": objective,
        "seed": seed,
        "git_revision": trained["git_revision"],
        "trained": trained["created"],
        "checkpoint_sha256": sha256_file(run.checkpoint),
        "examples": [_example(materials, model.eval(), position) for position in positions],
    }


def telling_scenes(dataset: ScenesDataset, count: int) -> list[int]:
    """Positions of the first scenes, one a family, with two or more things beside the main one.

    A rule, so that nobody picks: all models are shown on the same pictures.
    """
    families: dict[int, int] = {}
    for position in range(len(dataset.records)):
        scene = dataset.scene(position)
        if len(scene.secondary) >= 2:
            families.setdefault(scene.family, position)
        if len(families) == count:
            break
    return list(families.values())


@torch.no_grad()
def _example(materials: Materials, model: Captioner, position: int) -> Record:
    """One picture: its scene, the T words of the greedy caption, how much each looked at each of
    the N regions (T rows of N weights that sum to 1), and their boxes as fractions of the picture.
    """
    batch = materials.features["test"].batch([position]).to(materials.device)
    unknown = materials.vocabulary.forbidden
    tokens = decode(model, batch, max_len=materials.profile.max_len, forbid=unknown).tokens
    words = materials.vocabulary.decode(tokens[0, 0].tolist()).split()
    weights = model.attention(model.encode(batch), shift_right(tokens))
    if weights is None:
        raise DataError("the model looks at no regions", f"choose one of: {', '.join(ATTENDING)}")
    real = batch.mask[0]
    record = materials.data["test"].records[position]
    return {
        "image_id": record.image_id,
        "scene": record.scene,
        "words": words,
        "weights": _rounded(weights[0, 0, : len(words)][:, real]),
        "boxes": _rounded(batch.boxes[0][real]),
    }


def _rounded(rows: torch.Tensor) -> list[list[float]]:
    return [[round(value, 3) for value in row] for row in rows.double().tolist()]


def attention_in_words(example: Record) -> str:
    """The caption of an example, and the largest weight of a region at each word: an alt text."""
    shares = zip(example["words"], map(max, example["weights"]), strict=True)
    listed = ", ".join(f"{word} {share:.0%}" for word, share in shares)
    return f"“{' '.join(example['words'])}”. Largest weight of a region at each word: {listed}."


def sharpest(example: Record) -> str:
    """A sentence on an example: its caption, and at which word attention is most concentrated."""
    shares = [max(row) for row in example["weights"]]
    most, caption = max(shares), " ".join(example["words"])
    word, mean = example["words"][shares.index(most)], sum(shares) / len(shares)
    return (
        f"“{caption}”: attention is most concentrated at “{word}”, {most:.0%} on one region; "
        f"the mean over words is {mean:.0%}."
    )


def as_png(figure: Figure, alt: str, under: str) -> Html:
    """A figure of many small images as one PNG; as SVG, each image would be a file of its own."""
    figure.canvas.draw()
    pixels = np.asarray(cast(FigureCanvasAgg, figure.canvas).buffer_rgba())[..., :3]
    plt.close(figure)
    image = (
        f'<img src="{png_address(pixels, 255)}" alt="{html.escape(alt, quote=True)}" '
        f'width="{pixels.shape[1]}" style="max-width:100%;height:auto" class="dark-light">'
    )
    return Html(f'{image}<p class="geg-under">{html.escape(under)}</p>')


def write_record(folder: Path, record: Record) -> None:
    """Store a record as `<model>.json`, a row of weights a line."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    rows = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
    write_text(folder / f"{record['model']}.json", rows + "\n")


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Take examples from finished runs and store them; exit status 1 if a run is not finished."""
    parser = argparse.ArgumentParser(
        prog="python -m bookkit.report.attention", description=main.__doc__
    )
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--model", nargs="+", default=ATTENDING, help="default: all that look")
    parser.add_argument("--objective", default="mle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=Path("results/attention"))
    parsed: Any = parser.parse_args(arguments)
    profile = load_profile(parsed.profile)
    for model in parsed.model:
        record = attention_record(profile, model, parsed.objective, parsed.seed)
        write_record(parsed.to, record)
        for example in record["examples"]:
            print(f"{model}: {' '.join(example['words'])}")


if __name__ == "__main__":
    sys.exit(main())
