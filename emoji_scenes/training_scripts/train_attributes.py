"""Train the words of the embedded world.

python -m emoji_scenes.training_scripts.train_attributes --help
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.annotators import human_captions
from emoji_scenes.training_scripts.detector_data import CachedMaps, cache_maps, shuffled
from emoji_scenes.vision.attributes import SHIPPED, WordClassifier
from emoji_scenes.vision.trunk import Trunk
from emoji_scenes.vision.weights import FOLDER, save_shipped
from gegcore.code_digest import code_digest
from gegcore.data.vocabulary import tokenize
from gegcore.errors import ConfigError, TrainingError
from gegcore.progress import track
from gegcore.provenance import environment

_FUNCTION_WORDS = """
a an the some of and or for to that it its their there is are be doing while in on at by with near
next close beside under below beneath behind above among along around from during down up off out
into front back picture photo image view
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that say nothing of what is in a picture, and words for pictures themselves."""

_ROUNDS = 20
"""Further rounds of annotators, to estimate how far words can be told at all."""


@dataclass(frozen=True)
class Recipe:
    """How a word classifier is trained.

    Attributes:
        scenes: pictures of the web split to learn from, each painted once.
        held_out: the next pictures of that split, which measure the result.
        words: A, at most so many of the content words, by the pictures whose captions have them.
        epochs: passes over the pictures.
        batch: pictures per step.
        rate: highest learning rate of AdamW: it rises for a tenth, then falls as a cosine.
        decay: AdamW's weight decay.
        seed: of initialisation and order.
        world: seed of the world.
        image_px: side of the pictures.
    """

    scenes: int = 12000
    held_out: int = 500
    words: int = 400
    epochs: int = 10
    batch: int = 32
    rate: float = 2e-3
    decay: float = 1e-2
    seed: int = 7
    world: int = 0
    image_px: int = 128


def words_of(captions: Iterable[str]) -> set[str]:
    """The content words in the captions of one picture."""
    return {word for caption in captions for word in tokenize(caption)} - FUNCTION_WORDS


def frequent_words(said: Iterable[set[str]], count: int) -> tuple[str, ...]:
    """At most `count` words, those of most pictures first; equally frequent ones by alphabet."""
    pictures = Counter(word for words in said for word in words)
    return tuple(sorted(pictures, key=lambda word: (-pictures[word], word))[:count])


def label_matrix(said: Sequence[set[str]], words: Sequence[str]) -> Tensor:
    """1 where a word is among those said of a picture: `(len(said), len(words))`."""
    return torch.tensor([[float(word in mine) for word in words] for mine in said])


def train(recipe: Recipe, folder: Path) -> tuple[WordClassifier, dict[str, float]]:
    """Train and measure a classifier; `folder` holds the cached trunk maps.

    Raises:
        ConfigError: fewer pictures than one batch, or no word.
        TrainingError: the loss is no longer a number.
    """
    if recipe.scenes < recipe.batch or recipe.held_out < 1 or recipe.words < 1:
        raise ConfigError(
            f"{recipe.scenes} scenes, {recipe.held_out} held out and {recipe.words} words are too "
            "few",
            f"give at least {recipe.batch}, 1 and 1",
        )
    count = recipe.scenes + recipe.held_out
    dataset = ScenesDataset("web", count, recipe.world, recipe.image_px)
    said = [words_of(record.captions) for record in dataset.records]
    words = frequent_words(said[: recipe.scenes], recipe.words)
    labels = label_matrix(said, words)
    maps = cache_maps(dataset, count, Trunk(), folder)
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(recipe.seed)
        classifier = WordClassifier(words)
        fit(classifier, maps, labels[: recipe.scenes], recipe)
    classifier.half().float()  # measured as shipped
    held_out = range(recipe.scenes, count)
    seen = predict(classifier, maps, held_out)
    truth = labels[recipe.scenes :]
    limit = average_precision(_by_annotators(dataset, held_out, words), truth)
    return classifier, {**word_scores(seen, truth), "mAP_annotators": round(limit, 4)}


def fit(classifier: WordClassifier, maps: CachedMaps, labels: Tensor, recipe: Recipe) -> None:
    """Learn the labels `(n, A)` of the first n cached pictures.

    Raises:
        TrainingError: the loss is no longer a number.
    """
    steps = len(labels) // recipe.batch * recipe.epochs
    # A word begins at its frequency: most are rare, and learning that would take an epoch.
    classifier.output.bias.data = torch.logit(labels.mean(0), eps=1e-4)
    optimiser = torch.optim.AdamW(classifier.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    batches = shuffled(len(labels), recipe.batch, recipe.epochs, np.random.default_rng(recipe.seed))
    classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    classifier.train()
    for batch in track(batches, "words", total=steps):
        optimiser.zero_grad(set_to_none=True)
        logits = classifier.logits(maps.batch(batch))
        losses = F.binary_cross_entropy_with_logits(logits, labels[batch], reduction="none")
        losses.sum(1).mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(classifier.parameters(), 5.0)
        if not torch.isfinite(norm):
            raise TrainingError("the word classifier's loss is not a number", "lower --rate")
        optimiser.step()
        schedule.step()
    classifier.eval()


def _rate(step: int, steps: int) -> float:
    """Share of the highest learning rate at a step: a rise over a tenth, then a cosine."""
    return min((step + 1) / max(1, steps // 10), (1 + math.cos(math.pi * step / steps)) / 2)


@torch.no_grad()
def predict(classifier: WordClassifier, maps: CachedMaps, rows: range) -> Tensor:
    """Probabilities `(len(rows), A)` of the words of cached pictures."""
    starts = range(rows.start, rows.stop, 64)
    batches = (np.arange(start, min(start + 64, rows.stop)) for start in starts)
    return torch.cat([classifier(maps.batch(batch)) for batch in batches])


def word_scores(seen: Tensor, truth: Tensor) -> dict[str, float]:
    """Mean average precision, and precision and recall of the words above one half.

    Shapes: probabilities `(n, A)`, labels `(n, A)`.
    """
    said = seen > 0.5
    hits = float((said * truth).sum())
    return {
        "mAP": round(average_precision(seen, truth), 4),
        "precision": round(hits / max(1.0, float(said.sum())), 4),
        "recall": round(hits / max(1.0, float(truth.sum())), 4),
        "words_per_picture": round(float(said.float().sum(1).mean()), 2),
        "words_per_picture_true": round(float(truth.sum(1).mean()), 2),
    }


def average_precision(seen: Tensor, truth: Tensor) -> float:
    """Mean over the words that occur of the mean precision at each picture that has the word.

    Shapes: scores `(n, A)`, labels `(n, A)`.
    """
    occurring = truth[:, truth.any(0)]
    order = seen[:, truth.any(0)].argsort(dim=0, descending=True)
    hits = occurring.gather(0, order).double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)[:, None]
    return float(((precision * hits).sum(0) / hits.sum(0)).mean()) if hits.numel() else 0.0


def _by_annotators(dataset: ScenesDataset, rows: range, words: Sequence[str]) -> Tensor:
    """How often other annotators of the same pictures say each word: nobody can predict better.

    What five people happen to mention is a draw; this is the estimate of its probability.
    """
    shares = torch.zeros(len(rows), len(words))
    for again in track(range(1, _ROUNDS + 1), "annotators"):
        said = [words_of(human_captions(dataset.scene(row), dataset.seed + again)) for row in rows]
        shares += label_matrix(said, words) / _ROUNDS
    return shares


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
    origin = {
        "code": code_digest("emoji_scenes.training_scripts.train_attributes"),
        **environment(),
    }
    with tempfile.TemporaryDirectory(prefix="attributes-") as folder:
        classifier, scores = train(recipe, Path(folder))
    flags = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in asdict(recipe).items())
    provenance = {
        "what": "word classifier over EfficientNet-lite0, trained on OpenMoji Scenes (web)",
        "command": f"python -m emoji_scenes.training_scripts.train_attributes {flags}",
        "recipe": asdict(recipe),
        "seconds": round(time.monotonic() - started),
        "scores": scores,
        "words": list(classifier.words),
        "trunk": Trunk.digest,
        **origin,
    }
    weights = {key: value.half() for key, value in classifier.state_dict().items()}
    save_shipped(name, weights, provenance, out)
    for key, value in scores.items():
        print(f"{key:26s} {value:.4f}")


if __name__ == "__main__":
    main()
