"""Where a trained captioner looks while it says each word: stored once, drawn on every page.

The book trains few models itself, so its pages read examples that `python -m
bookkit.report.attention` has taken from finished runs and stored in `results/attention/`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from safetensors.torch import load_file

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.graph import SceneGraph
from gegcore.decoding import decode
from gegcore.errors import ConfigError, DataError, GegError
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models import Captioner, shift_right
from gegcore.profiles import Profile, load_profile
from gegcore.runs import RunFolder
from gegcore.storage import read_json, sha256_file, write_text

ATTENDING = ("attention", "updown", "gcn_lstm", "transformer", "meshed_memory", "xlan")
"""Models that look at regions; LSTM-A3 does not."""

_DIGITS = 3


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttentionExample(_Stored):
    """One picture, the greedy caption, and how much each word looked at each region.

    Attributes:
        image_id: of the test picture.
        scene: what to paint.
        words: T words of the caption.
        weights: T rows of N weights, each summing to 1 up to rounding.
        boxes: N regions: x0, y0, x1, y1 as fractions of the picture.
    """

    image_id: int
    scene: dict[str, Any]
    words: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    boxes: tuple[tuple[float, float, float, float], ...]

    @model_validator(mode="after")
    def _sizes_agree(self) -> AttentionExample:
        if len(self.weights) != len(self.words):
            raise ValueError(f"{len(self.words)} words, but {len(self.weights)} rows of weights")
        if any(len(row) != len(self.boxes) for row in self.weights):
            raise ValueError(f"a row of weights has not one weight for each of {len(self.boxes)}")
        return self

    def graph(self) -> SceneGraph:
        """The scene, to be painted."""
        return SceneGraph.from_dict(self.scene)


class AttentionRecord(_Stored):
    """Examples of one run, and which run that was."""

    format: Literal[1] = 1
    run: str
    profile: str
    model: str
    objective: str
    seed: int
    git_revision: str
    trained: str
    checkpoint_sha256: str
    examples: tuple[AttentionExample, ...]


def attention_record(
    profile: Profile, model_name: str, objective: str, seed: int, count: int = 2
) -> AttentionRecord:
    """Examples from the checkpoint of a finished run.

    Raises:
        ConfigError: the model does not attend to regions.
        DataError: the run is not finished.
    """
    if model_name not in ATTENDING:
        known = ", ".join(ATTENDING)
        raise ConfigError(f"model '{model_name}' looks at no regions", f"choose one of: {known}")
    run = RunFolder.of(profile.name, model_name, objective, seed)
    run.metrics()  # raises if the run is not finished
    trained = read_json(run.file("provenance.json"))["trained"]
    materials = Materials.of(profile)
    model = new_captioner(materials, model_name, seed=0)
    model.load_state_dict(load_file(run.checkpoint))
    positions = telling_scenes(cast(ScenesDataset, materials.data["test"]), count)
    return AttentionRecord(
        run=run.name,
        profile=profile.name,
        model=model_name,
        objective=objective,
        seed=seed,
        git_revision=str(trained["git_revision"]),
        trained=str(trained["created"]),
        checkpoint_sha256=sha256_file(run.checkpoint),
        examples=tuple(_example(materials, model.eval(), position) for position in positions),
    )


def telling_scenes(dataset: ScenesDataset, count: int) -> list[int]:
    """Positions of the first scenes, one a family, with two or more things beside the main one.

    A rule, so that nobody picks: all models are shown on the same pictures.
    """
    families: set[int] = set()
    positions = []
    for position in range(len(dataset.records)):
        scene = dataset.scene(position)
        if len(scene.secondary) >= 2 and scene.family not in families:
            families.add(scene.family)
            positions.append(position)
        if len(positions) == count:
            break
    return positions


@torch.no_grad()
def _example(materials: Materials, model: Captioner, position: int) -> AttentionExample:
    batch = materials.features["test"].batch([position]).to(materials.device)
    unknown = (materials.vocabulary.unknown_id,)
    tokens = decode(model, batch, max_len=materials.profile.max_len, forbid=unknown).tokens
    words = materials.vocabulary.decode(tokens[0, 0].tolist()).split()
    weights = model.attention(model.encode(batch), shift_right(tokens))
    if weights is None:
        raise ConfigError("the model returns no attention", "give it Captioner.attention")
    real = batch.mask[0].cpu()
    rows = weights[0, 0, : len(words)].cpu()[:, real].double()
    record = materials.data["test"].records[position]
    return AttentionExample(
        image_id=record.image_id,
        scene=record.scene or {},
        words=tuple(words),
        weights=tuple(tuple(round(w, _DIGITS) for w in row) for row in rows.tolist()),
        boxes=tuple(
            tuple(round(edge, _DIGITS) for edge in box)
            for box in batch.boxes[0].cpu()[real].double().tolist()
        ),
    )


def read_attention(folder: Path, model: str) -> AttentionRecord | None:
    """The stored record of a model, None if there is none.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / f"{model}.json"
    if not path.is_file():
        return None
    try:
        return AttentionRecord.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path.name} is no record of attention: {field}: {first['msg']}",
            f"make it again: {command(model)}",
        ) from error


def write_record(folder: Path, record: AttentionRecord) -> Path:
    """Store a record as `<model>.json`, a row of weights a line; returns the file."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    rows = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
    path = folder / f"{record.model}.json"
    write_text(path, rows + "\n")
    return path


def command(model: str) -> str:
    """What stores the examples of a model; the profile `seven` trains them all."""
    return f"python -m bookkit.report.attention --profile seven --model {model}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Take examples from finished runs and store them; exit status 1 if a run is not finished."""
    parser = argparse.ArgumentParser(
        prog="python -m bookkit.report.attention", description=main.__doc__
    )
    parser.add_argument("--profile", default="seven")
    parser.add_argument(
        "--model", action="append", help="may be given several times (default: all that attend)"
    )
    parser.add_argument("--objective", default="mle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--to", type=Path, default=Path("results/attention"))
    parsed: Any = parser.parse_args(arguments)
    try:
        profile = load_profile(parsed.profile)
        for model in parsed.model or ATTENDING:
            record = attention_record(profile, model, parsed.objective, parsed.seed)
            write_record(parsed.to, record)
            for example in record.examples:
                print(f"{model}: {' '.join(example.words)}")
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
