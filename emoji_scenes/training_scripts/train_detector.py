"""Train the detector of the embedded world.

python -m emoji_scenes.training_scripts.train_detector --help
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.catalogue import COLOURS, SETTINGS
from emoji_scenes.scenes.entities import ENTITIES
from emoji_scenes.training_scripts.detector_data import CachedMaps, cache_maps, shuffled, target_of
from emoji_scenes.training_scripts.detector_losses import Target, detector_losses
from emoji_scenes.training_scripts.detector_scores import DetectorScores
from emoji_scenes.vision.detector import SHIPPED
from emoji_scenes.vision.faster_rcnn import Detector, Thresholds
from emoji_scenes.vision.heads import Labels
from emoji_scenes.vision.trunk import Trunk
from emoji_scenes.vision.weights import FOLDER, save_shipped
from gegcore.code_digest import code_digest
from gegcore.errors import ConfigError, TrainingError
from gegcore.progress import track
from gegcore.provenance import environment

TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "cloudy", "rainy", "snowy")


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained.

    Attributes:
        scenes: pictures of the web split to learn from, each painted once.
        held_out: the next pictures of that split, which measure the result.
        epochs: passes over the pictures.
        batch: pictures per step.
        rate: highest learning rate of AdamW: it rises for a twentieth, then falls as a cosine.
        decay: AdamW's weight decay.
        seed: of initialisation, order and sampling.
        world: seed of the world.
        image_px: side of the pictures.
    """

    scenes: int = 6000
    held_out: int = 300
    epochs: int = 5
    batch: int = 16
    rate: float = 2e-3
    decay: float = 1e-4
    seed: int = 7
    world: int = 0
    image_px: int = 128


def world_labels() -> Labels:
    """The names that the embedded world has."""
    scene = {"setting": tuple(sorted(SETTINGS)), "time": TIMES, "weather": WEATHERS}
    return Labels(tuple(sorted(ENTITIES)), tuple(COLOURS), scene)


def train(recipe: Recipe, folder: Path) -> tuple[Detector, dict[str, float]]:
    """Train and measure a detector; `folder` holds the cached trunk maps.

    Raises:
        ConfigError: fewer pictures than one batch.
        TrainingError: the loss is no longer a number.
    """
    if recipe.scenes < recipe.batch or recipe.held_out < 1:
        raise ConfigError(
            f"{recipe.scenes} scenes and {recipe.held_out} held out are too few",
            f"give at least {recipe.batch} and 1",
        )
    count = recipe.scenes + recipe.held_out
    dataset = ScenesDataset("web", count, recipe.world, recipe.image_px)
    labels, size = world_labels(), (recipe.image_px, recipe.image_px)
    targets = [target_of(dataset.scene(index), labels, size) for index in range(count)]
    maps = cache_maps(dataset, count, Trunk(), folder)
    with torch.random.fork_rng(devices=[]):  # torchvision samples regions with the global generator
        torch.manual_seed(recipe.seed)
        detector = Detector(labels)
        _fit(detector, maps, targets[: recipe.scenes], recipe)
    scores = measure(detector, maps, targets, range(recipe.scenes, count))
    return detector, scores


def _fit(detector: Detector, maps: CachedMaps, targets: list[Target], recipe: Recipe) -> None:
    steps = len(targets) // recipe.batch * recipe.epochs
    optimiser = torch.optim.AdamW(detector.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=steps, pct_start=0.05
    )
    batches = shuffled(
        len(targets), recipe.batch, recipe.epochs, np.random.default_rng(recipe.seed)
    )
    detector.neck.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    detector.train()
    recent: dict[str, list[float]] = defaultdict(list)
    for step, batch in enumerate(track(batches, "detector", total=steps), start=1):
        losses = detector_losses(detector, maps.batch(batch), [targets[i] for i in batch])
        _step(detector, optimiser, torch.stack(list(losses.values())).sum())
        schedule.step()
        for name, loss in losses.items():
            recent[name].append(loss.item())
        if step % max(1, steps // recipe.epochs) == 0:
            means = "  ".join(f"{name} {np.mean(values):.3f}" for name, values in recent.items())
            print(f"step {step}/{steps}  {means}", file=sys.stderr, flush=True)
            recent.clear()
    detector.eval()


def _step(detector: Detector, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
    if not torch.isfinite(norm):
        raise TrainingError("the detector's loss is not a number", "lower --rate")
    optimiser.step()


def measure(
    detector: Detector,
    maps: CachedMaps,
    targets: list[Target],
    rows: range,
    thresholds: Thresholds | None = None,
) -> dict[str, float]:
    """Scores of the detector on the pictures at `rows`."""
    scores = DetectorScores(detector.labels)
    for start in range(rows.start, rows.stop, 50):
        batch = np.arange(start, min(start + 50, rows.stop))
        scores.add(detector.detect(maps.batch(batch), thresholds), [targets[i] for i in batch])
    return scores.summary()


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, and write weights with their provenance."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in asdict(Recipe()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help=f"default {default}")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the weights")
    parser.add_argument("--name", default=SHIPPED, help="file name without ending")
    options = vars(parser.parse_args(arguments))
    out, name = options.pop("out"), options.pop("name")
    recipe = Recipe(**options)
    started = time.monotonic()
    # Read now: the files may change while a long training runs on.
    origin = {"code": code_digest("emoji_scenes.training_scripts.train_detector"), **environment()}
    with tempfile.TemporaryDirectory(prefix="detector-") as folder:
        detector, scores = train(recipe, Path(folder))
    flags = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in asdict(recipe).items())
    provenance = {
        "what": "Faster R-CNN heads on EfficientNet-lite0, trained on OpenMoji Scenes (web)",
        "command": f"python -m emoji_scenes.training_scripts.train_detector {flags}",
        "recipe": asdict(recipe),
        "seconds": round(time.monotonic() - started),
        "scores": scores,
        "labels": detector.labels.to_dict(),
        "trunk": Trunk.digest,
        **origin,
    }
    save_shipped(name, detector.state_dict(), provenance, out)
    for key, value in scores.items():
        print(f"{key:26s} {value:.4f}")


if __name__ == "__main__":
    main()
