"""Train the VSE++ of the embedded world: python -m emoji_scenes.training_scripts.train_vse --help

Takes some minutes on one CPU core and writes `emoji_scenes/weights/scenes_vse.safetensors`
(float16) and `.json` (provenance, words, validation numbers). It learns from the captions of the
training split of another world seed: no captioner has seen these pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.training_scripts.clip_quality import recalls
from emoji_scenes.vision.weights import FOLDER, save_shipped
from emoji_scenes.vse import NAME, STEM, VsePlusPlus, word_ids
from gegcore.data.vocabulary import Vocabulary
from gegcore.progress import track
from gegcore.provenance import environment
from photographs.hinge_loss import MARGIN, hinge_loss

_PAINTED = 256
"""Scenes painted at once."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command-line options; the defaults made the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=12_000, help="scenes to learn from")
    parser.add_argument("--world-seed", type=int, default=5, help="of these scenes")
    parser.add_argument("--epochs", type=int, default=20, help="passes over all captions")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--margin", type=float, default=MARGIN)
    parser.add_argument("--warm-epochs", type=int, default=1, help="with the sum of all hinges")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--drop-epoch", type=int, default=14, help="then a tenth of the rate")
    parser.add_argument("--min-count", type=int, default=4, help="rarer words become UNK")
    parser.add_argument("--validation", type=int, default=1000, help="scenes to validate on")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--output", type=Path, default=FOLDER)
    return parser.parse_args(arguments)


def features_of(model: VsePlusPlus, dataset: ScenesDataset) -> Tensor:
    """Paint every scene and run the frozen trunk once: `(N, IMAGE_WIDTH)`."""
    count = len(dataset.records)
    starts = track(range(0, count, _PAINTED), f"features of {dataset.split}")
    return torch.cat(
        [
            model.picture_features(
                torch.from_numpy(dataset.images(range(i, min(i + _PAINTED, count))))
            )
            for i in starts
        ]
    )


def set_statistics(model: VsePlusPlus, features: Tensor) -> None:
    """Standardise the picture features by their mean and variance over the training scenes."""
    mean, variance = model.standardise.running_mean, model.standardise.running_var
    assert mean is not None and variance is not None  # a BatchNorm1d that tracks them
    mean.copy_(features.mean(dim=0))
    variance.copy_(features.var(dim=0).clamp_min(1e-4))


def fit(
    model: VsePlusPlus, features: Tensor, captions: list[list[str]], arguments: argparse.Namespace
) -> Iterator[tuple[int, float]]:
    """Train; yields (epoch, mean loss) after every epoch."""
    # The statistics were set from the data: the model stays in evaluation mode.
    optimiser = torch.optim.Adam(model.parameters(), lr=arguments.learning_rate)
    rng = np.random.default_rng(arguments.seed)
    ids = [word_ids(model.words, texts) for texts in captions]
    owner = np.repeat(np.arange(len(ids)), [len(rows) for rows in ids])
    texts = [row[row != 0] for rows in ids for row in rows]
    for epoch in range(arguments.epochs):
        if epoch == arguments.drop_epoch:
            optimiser.param_groups[0]["lr"] *= 0.1
        order = rng.permutation(len(texts))
        steps = len(order) // arguments.batch
        losses = []
        for step in track(range(steps), f"epoch {epoch + 1}/{arguments.epochs}"):
            chosen = order[step * arguments.batch : (step + 1) * arguments.batch]
            said = torch.nn.utils.rnn.pad_sequence([texts[i] for i in chosen], batch_first=True)
            pictures = model.pictures(features[owner[chosen]])
            scores = pictures @ model.captions(said).T
            loss = hinge_loss(scores, arguments.margin, hardest=epoch >= arguments.warm_epochs)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            losses.append(loss.detach())
        yield epoch, float(torch.stack(losses).mean())


def validate(model: VsePlusPlus, features: Tensor, dataset: ScenesDataset) -> dict[str, float]:
    """R@1/5/10 of one human caption per picture, in per cent."""
    said = [r.captions[i % len(r.captions)] for i, r in enumerate(dataset.records)]
    with torch.no_grad():
        return recalls(model.encode_texts(said), model.pictures(features))


def main(arguments: argparse.Namespace) -> dict[str, float]:
    """Paint, train, validate, write; returns the last validation."""
    started, machine = time.time(), environment()
    torch.manual_seed(arguments.seed)
    train = ScenesDataset("train", arguments.scenes, seed=arguments.world_seed)
    validation = ScenesDataset("val", arguments.validation)
    captions = [list(record.captions) for record in train.records]
    words = Vocabulary.build((text for texts in captions for text in texts), arguments.min_count)
    model = VsePlusPlus(words).eval()
    features, held_out = features_of(model, train), features_of(model, validation)
    set_statistics(model, features)
    found: dict[str, float] = {}
    for epoch, loss in fit(model, features, captions, arguments):
        found = validate(model, held_out, validation)
        seconds = round(time.time() - started)
        print(f"epoch {epoch + 1}: loss {loss:.3f}, {seconds} s, {found}", flush=True)
    _save(arguments, model, found, {**machine, "wall_seconds": round(time.time() - started)})
    return found


def _save(
    arguments: argparse.Namespace,
    model: VsePlusPlus,
    report: dict[str, float],
    machine: dict[str, Any],
) -> None:
    options = " ".join(
        f"--{key.replace('_', '-')} {value}"
        for key, value in vars(arguments).items()
        if key != "output"
    )
    tensors = {
        key: value.half() if value.ndim >= 2 else value for key, value in model.state_dict().items()
    }
    provenance = {
        "what": f"{NAME}: VSE++ of the embedded world OpenMoji Scenes",
        "command": f"python -m emoji_scenes.training_scripts.train_vse {options}",
        "seed": arguments.seed,
        "validation": {"scenes": arguments.validation, "human captions": report},
        "words": list(model.words.words),
        "environment": machine,
    }
    save_shipped(STEM, tensors, provenance, arguments.output)


if __name__ == "__main__":
    main(parse())
