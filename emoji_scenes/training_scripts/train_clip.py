"""Train the CLIP of the embedded world: python -m emoji_scenes.training_scripts.train_clip --help

Takes about 20 minutes on one CPU core with bfloat16, half of that on two, and writes
`emoji_scenes/weights/scenes_clip.safetensors` (float16), `.json` (provenance, validation numbers)
and `_bpe.txt.gz`. The web split that it learns from is never seen by a captioner.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from emoji_scenes.clip.bpe import count_pieces, learn_merges, load_tokenizer, save_merges
from emoji_scenes.clip.model import MODELS, ScenesClip, build_scenes_clip, to_square
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.training_scripts.clip_corpus import (
    DETAILED,
    GAMED,
    NOISY,
    SHORT,
    WRONG,
    WebTexts,
    cache_grids,
    epoch_batches,
    set_statistics,
    tokenize_texts,
    web_strings,
)
from emoji_scenes.training_scripts.clip_loss import contrastive_loss
from emoji_scenes.training_scripts.clip_quality import evaluate, retrieval
from emoji_scenes.vision.weights import FOLDER, save_shipped
from gegcore.clip import ClipModel, crop_to_longest, encode_cropped
from gegcore.progress import track
from gegcore.provenance import environment

_MAX_SCALE = 100.0
"""CLIP's bound on the inverse temperature."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command-line options; the defaults made the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="scenes-clip", choices=tuple(MODELS))
    parser.add_argument("--scenes", type=int, default=20_000, help="web scenes to learn from")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--extra", type=float, default=0.6, help="wrong texts per image")
    parser.add_argument("--noisy", type=float, default=0.25, help="share of noisy positives")
    parser.add_argument("--short", type=float, default=0.4, help="share of short positives")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--merges", type=int, default=2500, help="upper bound of BPE merges")
    parser.add_argument("--validation", type=int, default=1000, help="scenes to validate on")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--world-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--cache", type=Path, help="keep the trunk's feature grids here")
    return parser.parse_args(arguments)


class Sampler:
    """Draws the texts of a batch: one positive per image and some wrong texts.

    Args:
        texts: all texts of all scenes.
        noisy: share of images whose positive is a noisy text.
        short: share of short texts among the other positives.
        extra: wrong texts per image, half of them gamed versions of the image's own positive.
        seed: of the draws.
    """

    def __init__(
        self, texts: WebTexts, noisy: float, short: float, extra: float, seed: int
    ) -> None:
        self.texts, self.noisy, self.short, self.extra = texts, noisy, short, extra
        self.rng = np.random.default_rng(seed)

    def __call__(self, scenes: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Positive BPE ids `(B, L)`, which are clean `(B,)`, wrong texts `(X, L)`."""
        count, rng = len(scenes), self.rng
        detailed = rng.integers(0, DETAILED, count)
        brief = rng.integers(DETAILED, DETAILED + SHORT, count)
        kind = np.where(rng.random(count) < self.short, brief, detailed)
        clean = rng.random(count) >= self.noisy
        fluent = self.texts.fluent[scenes, kind]
        noisy = self.texts.noisy[scenes, rng.integers(0, NOISY, count)]
        positive = torch.where(torch.from_numpy(clean)[:, None], fluent, noisy)
        chosen = rng.permutation(count)[: round(self.extra * count)]
        own, other = np.array_split(chosen, 2)
        gamed = self.texts.gamed[scenes[own], kind[own], rng.integers(0, GAMED, len(own))]
        wrong = self.texts.wrong[scenes[other], rng.integers(0, WRONG, len(other))]
        extra = torch.cat([gamed, wrong])
        return positive.long(), torch.from_numpy(clean), extra.long()


def optimiser_of(model: ScenesClip, arguments: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW that decays matrices only."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": arguments.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=arguments.learning_rate, betas=(0.9, 0.98), eps=1e-6)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over a twentieth of the steps, then a cosine down to nothing."""
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def train_step(
    model: ScenesClip,
    optimiser: torch.optim.Optimizer,
    grid: Tensor,
    texts: tuple[Tensor, Tensor, Tensor],
) -> float:
    """One update on one batch; returns the loss."""
    positive, clean, wrong = texts
    # The plain attention kernel: its backward pass on the CPU is faster than flash attention's.
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", dtype=torch.bfloat16):
        image = F.normalize(model.encode_grid(grid).float(), dim=-1)
        text = F.normalize(_encode_by_length(model, torch.cat([positive, wrong])), dim=-1)
        own, extra = text[: len(positive)], text[len(positive) :]
        loss = contrastive_loss(image, own, extra, clean, model.logit_scale.exp())
        optimiser.zero_grad()
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(_MAX_SCALE))
    return float(loss)


def _encode_by_length(model: ScenesClip, bpe: Tensor, parts: int = 4) -> Tensor:
    """Text features of captions, short and long ones apart, so that little padding is encoded."""
    order = (bpe != 0).sum(dim=1).argsort()
    chunks = [crop_to_longest(model, bpe[rows]) for rows in order.chunk(parts)]
    features = torch.cat([encode_cropped(model, chunk).float() for chunk in chunks])
    return features[order.argsort()]


def validation_clip(
    model: ScenesClip, tokenizer: SimpleTokenizer, grids: np.ndarray
) -> tuple[ClipModel, Tensor]:
    """A frozen copy of the model as it is, and its embeddings of the pictures of `grids`."""
    frozen = copy.deepcopy(model).eval()
    size = int(model.visual.image_size[0])
    clip = ClipModel("in training", frozen, tokenizer, lambda images: to_square(images, size))
    with torch.no_grad():
        parts = [
            frozen.encode_grid(torch.from_numpy(grids[start : start + 128].astype(np.float32)))
            for start in range(0, len(grids), 128)
        ]
    return clip, F.normalize(torch.cat(parts), dim=-1)


def fit(
    model: ScenesClip,
    grids: np.ndarray,
    sampler: Sampler,
    arguments: argparse.Namespace,
) -> Any:
    """Train; yields (epoch, mean loss) after every epoch."""
    optimiser = optimiser_of(model, arguments)
    rng = np.random.default_rng(arguments.seed)
    steps = arguments.epochs * (len(grids) // arguments.batch)
    done = 0
    for epoch in range(arguments.epochs):
        # BatchNorm's statistics were set from the data: the model stays in evaluation mode.
        losses = []
        batches = epoch_batches(sampler.texts.family, arguments.batch, rng)
        for scenes in track(batches, f"epoch {epoch + 1}/{arguments.epochs}"):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(done, steps, arguments.learning_rate)
            grid = torch.from_numpy(grids[scenes].astype(np.float32))
            losses.append(train_step(model, optimiser, grid, sampler(scenes)))
            done += 1
        yield epoch, float(np.mean(losses))


def main(arguments: argparse.Namespace) -> dict[str, Any]:
    """Paint, learn the BPE, train, validate, write; returns the last validation."""
    started, machine = time.time(), environment()
    torch.manual_seed(arguments.seed)
    random.seed(arguments.seed)
    web = ScenesDataset("web", arguments.scenes, seed=arguments.world_seed)
    validation = ScenesDataset("val", arguments.validation, seed=arguments.world_seed)
    stem = MODELS[arguments.name]
    model = build_scenes_clip(arguments.name).eval()
    strings = [
        web_strings(web.scene(i), arguments.seed)
        for i in track(range(arguments.scenes), "web texts")
    ]
    tokenizer = _learn_tokenizer(arguments, stem, strings, model)
    families = [web.scene(i).family for i in range(arguments.scenes)]
    sampler = Sampler(
        tokenize_texts(strings, families, tokenizer),
        arguments.noisy,
        arguments.short,
        arguments.extra,
        arguments.seed,
    )
    with tempfile.TemporaryDirectory(prefix="scenes-clip-") as temporary:
        folder = arguments.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        grids = cache_grids(model, web, folder)
        held_out = cache_grids(model, validation, folder)
        set_statistics(model, grids)
        for epoch, loss in fit(model, grids, sampler, arguments):
            clip, images = validation_clip(model, tokenizer, held_out)
            found = retrieval(clip, validation, images, arguments.seed)
            seconds = round(time.time() - started)
            print(f"epoch {epoch + 1}: loss {loss:.3f}, {seconds} s, {found}", flush=True)
        clip, images = validation_clip(model, tokenizer, held_out)
        report = evaluate(clip, validation, images, arguments.seed)
        print(report, flush=True)
    _save(arguments, stem, model, report, {**machine, "wall_seconds": round(time.time() - started)})
    return report


def _learn_tokenizer(
    arguments: argparse.Namespace,
    stem: str,
    strings: list[dict[str, list[str]]],
    model: ScenesClip,
) -> SimpleTokenizer:
    """BPE of the web texts, in which every word that people use occurs."""
    texts = [
        text for scene in strings for kind in ("fluent", "noisy", "wrong") for text in scene[kind]
    ]
    room = int(model.vocab_size) - 512 - 2  # single bytes, and the start and end tokens
    merges = learn_merges(count_pieces(texts), min(arguments.merges, room))
    path = arguments.output / f"{stem}_bpe.txt.gz"
    save_merges(path, merges)
    print(f"{len(merges)} BPE merges", flush=True)
    return load_tokenizer(path, int(model.context_length))


def _save(
    arguments: argparse.Namespace,
    stem: str,
    model: ScenesClip,
    report: dict[str, Any],
    machine: dict[str, Any],
) -> None:
    options = " ".join(
        f"--{key.replace('_', '-')} {value}"
        for key, value in vars(arguments).items()
        if key not in ("output", "cache")
    )
    tensors = {
        key: value.half() if value.ndim >= 2 else value for key, value in model.state_dict().items()
    }
    provenance = {
        "what": f"{arguments.name}: the CLIP of the embedded world OpenMoji Scenes",
        "command": f"python -m emoji_scenes.training_scripts.train_clip {options}",
        "seed": arguments.seed,
        "validation": report,
        "environment": machine,
    }
    save_shipped(stem, tensors, provenance, arguments.output)


if __name__ == "__main__":
    main(parse())
