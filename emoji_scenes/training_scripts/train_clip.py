"""Train a CLIP of the embedded world: python -m emoji_scenes.training_scripts.train_clip --help

The one that rewards, `scenes-clip`, learns with CLIP's loss on a frozen trunk's features: about 20
minutes on one CPU core with bfloat16. The judge, `scenes-siglip`, learns with SigLIP's loss, from
pixels to the last layer: about an hour. The defaults of the options are those of the first; the
command of each is stored in `emoji_scenes/weights/STEM.json`.

Writes `emoji_scenes/weights/STEM.safetensors` (float16), `.json` (provenance, validation numbers)
and `_bpe.txt.gz`. Interrupted, the same command goes on after the last whole epoch. The web split
that both learn from is never seen by a captioner.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

from emoji_scenes.clip.bpe import count_pieces, learn_merges, load_tokenizer, save_merges
from emoji_scenes.clip.model import MODELS, ScenesClip, WorldClip, build_scenes_clip, to_square
from emoji_scenes.dataset import ScenesDataset, generator
from emoji_scenes.training_scripts.clip_corpus import (
    Sampler,
    WebTexts,
    cache_grids,
    set_statistics,
    tokenize_texts,
    web_strings,
)
from emoji_scenes.training_scripts.clip_quality import evaluate, retrieval
from emoji_scenes.training_scripts.clip_steps import Trainer
from emoji_scenes.vision.weights import FOLDER, save_shipped
from gegcore.clip import ClipModel
from gegcore.progress import track
from gegcore.provenance import environment
from gegcore.storage import atomic_write


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
    parser.add_argument("--annotators", type=int, default=3, help="short texts of a scene")
    parser.add_argument("--texts", type=int, default=1, help="positives of an image at a step")
    parser.add_argument("--shift", type=int, default=0, help="pictures are shifted by, at most")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--merges", type=int, default=2500, help="upper bound of BPE merges")
    parser.add_argument("--validation", type=int, default=1000, help="scenes to validate on")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--world-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument(
        "--cache", type=Path, default=Path("artifacts/clip-training"), help="may be deleted later"
    )
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> dict[str, Any]:
    """Paint, learn the BPE, train, validate, write; returns the last validation."""
    started, machine = time.time(), environment()
    torch.manual_seed(arguments.seed)
    random.seed(arguments.seed)
    folder, stem = arguments.cache, MODELS[arguments.name]
    folder.mkdir(parents=True, exist_ok=True)
    web = ScenesDataset("web", arguments.scenes, seed=arguments.world_seed)
    validation = ScenesDataset("val", arguments.validation)
    model = build_scenes_clip(arguments.name).eval()
    bpe = folder / f"{stem}_bpe.txt.gz"
    sampler = Sampler(
        _texts(arguments, web, model, bpe), arguments.noisy, arguments.short, arguments.extra
    )
    tokenizer = load_tokenizer(bpe, int(model.context_length))
    grids, held_out = cache_grids(model, web, folder), cache_grids(model, validation, folder)
    if isinstance(model, ScenesClip):
        set_statistics(model, grids)
    trainer = Trainer(model, arguments)
    # An interrupted training of other options, texts or towers is not gone on with.
    key = f"{_options(arguments)} {generator()} {open_clip.get_model_config(arguments.name)}"
    for epoch, loss in trainer.fit(grids, sampler, folder / f"{stem}.state", key):
        clip, images = validation_clip(model, tokenizer, held_out)
        found = retrieval(clip, validation, images, arguments.seed)
        seconds = round(time.time() - started)
        print(f"epoch {epoch + 1}: loss {loss:.3f}, {seconds} s, {found}", flush=True)
    clip, images = validation_clip(model, tokenizer, held_out)
    report = evaluate(clip, validation, images, arguments.seed)
    print(report, flush=True)
    _save(arguments, stem, model, report, {**machine, "wall_seconds": round(time.time() - started)})
    return report


def validation_clip(
    model: WorldClip, tokenizer: SimpleTokenizer, grids: np.ndarray
) -> tuple[ClipModel, Tensor]:
    """A frozen copy of the model as it is, and its embeddings of the pictures of `grids`."""
    frozen = copy.deepcopy(model).eval()
    with torch.no_grad():
        parts = [
            frozen.encode_grid(torch.from_numpy(np.array(grids[start : start + 128])))
            for start in range(0, len(grids), 128)
        ]
    images = F.normalize(torch.cat(parts), dim=-1)
    return ClipModel("in training", frozen, tokenizer, to_square), images


def _texts(
    arguments: argparse.Namespace, web: ScenesDataset, model: WorldClip, bpe: Path
) -> WebTexts:
    """All texts of all scenes, by a BPE in which every word that people use occurs."""
    scenes = [web.scene(i) for i in range(arguments.scenes)]
    strings = [
        web_strings(scene, arguments.seed, arguments.annotators)
        for scene in track(scenes, "web texts")
    ]
    texts = [
        text for scene in strings for kind in ("fluent", "noisy", "wrong") for text in scene[kind]
    ]
    room = int(model.vocab_size) - 512 - 2  # single bytes, and the start and end tokens
    merges = learn_merges(count_pieces(texts), min(arguments.merges, room))
    save_merges(bpe, merges)
    print(f"{len(merges)} BPE merges", flush=True)
    tokenizer = load_tokenizer(bpe, int(model.context_length))
    return tokenize_texts(strings, [scene.family for scene in scenes], tokenizer)


def _options(arguments: argparse.Namespace) -> str:
    """The command's options, without folders."""
    return " ".join(
        f"--{key.replace('_', '-')} {value}"
        for key, value in vars(arguments).items()
        if key not in ("output", "cache")
    )


def _save(
    arguments: argparse.Namespace,
    stem: str,
    model: WorldClip,
    report: dict[str, Any],
    machine: dict[str, Any],
) -> None:
    """Write the weights, their provenance (seconds: of the last sitting) and the BPE."""
    tensors = {
        key: value.half() if value.ndim >= 2 else value for key, value in model.state_dict().items()
    }
    provenance = {
        "what": f"{arguments.name}: a CLIP of the embedded world OpenMoji Scenes",
        "command": f"python -m emoji_scenes.training_scripts.train_clip {_options(arguments)}",
        "seed": arguments.seed,
        "validation": report,
        "environment": machine,
    }
    name = f"{stem}_bpe.txt.gz"
    with atomic_write(arguments.output / name, "wb") as stream:
        stream.write((arguments.cache / name).read_bytes())
    save_shipped(stem, tensors, provenance, arguments.output)
    (arguments.cache / f"{stem}.state").unlink()


if __name__ == "__main__":
    main(parse())
