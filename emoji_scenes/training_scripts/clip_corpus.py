"""What the CLIPs of the embedded world learn from: feature grids or pixels, and web texts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from emoji_scenes.clip.model import ScenesClip, WorldClip
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts, hard_negative, noisy_alt_text
from emoji_scenes.scenes.annotators import human_captions
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.training_scripts.clip_degenerate import degenerate
from gegcore.data.dataset import pictures_key
from gegcore.progress import track

DETAILED, NOISY, WRONG = 4, 4, 3
"""How many texts of each kind a scene has; every epoch draws anew among them."""

GAMED = 2
"""Gamed versions of every detailed or short text."""

_GRID_BATCH = 64


@dataclass(frozen=True)
class WebTexts:
    """BPE ids of the texts of every scene, int16.

    Attributes:
        fluent: `(scenes, DETAILED + short, L)`: detailed alt-texts, then short ones as people
            write them.
        gamed: `(scenes, DETAILED + short, GAMED, L)`: each of those made into word lists,
            repetitions and so on.
        noisy: `(scenes, NOISY, L)`: words dropped, cut, tags, as the web has it.
        wrong: `(scenes, WRONG, L)`: detailed texts with wrong details (hard negatives).
        family: `(scenes,)` near-duplicate family of every scene.
    """

    fluent: Tensor
    gamed: Tensor
    noisy: Tensor
    wrong: Tensor
    family: np.ndarray


def web_strings(scene: SceneGraph, seed: int, short: int) -> dict[str, list[str]]:
    """All texts of one scene by kind, `short` of them captions; deterministic in (seed, image)."""
    rng = random.Random(f"{seed}/{scene.image_id}")
    fluent = [*alt_texts(scene, seed, DETAILED), *human_captions(scene, seed, short)]
    return {
        "fluent": fluent,
        "gamed": [degenerate(text, rng) for text in fluent for _ in range(GAMED)],
        "noisy": [noisy_alt_text(scene, seed, k) for k in range(NOISY)],
        "wrong": [hard_negative(scene, seed, k) for k in range(WRONG)],
    }


def tokenize_texts(
    strings: Sequence[dict[str, list[str]]],
    families: Sequence[int],
    tokenizer: SimpleTokenizer,
) -> WebTexts:
    """BPE ids of the texts of every scene."""

    def table(kind: str) -> Tensor:
        scenes = track(strings, f"BPE of {kind} texts")
        return torch.stack([tokenizer(scene[kind]).to(torch.int16) for scene in scenes])

    gamed = table("gamed").unflatten(1, (-1, GAMED))
    family = np.asarray(families)
    return WebTexts(table("fluent"), gamed, table("noisy"), table("wrong"), family)


class Sampler:
    """Draws the texts of a batch: one positive per image and some wrong texts.

    Args:
        texts: all texts of all scenes.
        noisy: share of images whose positive is a noisy text.
        short: share of short texts among the other positives.
        extra: wrong texts per image, half of them gamed versions of the image's own positive.
    """

    def __init__(self, texts: WebTexts, noisy: float, short: float, extra: float) -> None:
        self.texts, self.noisy, self.short, self.extra = texts, noisy, short, extra

    def __call__(
        self, scenes: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Positive BPE ids `(B, L)`, which are clean `(B,)`, wrong texts `(X, L)`."""
        count = len(scenes)
        detailed = rng.integers(0, DETAILED, count)
        brief = rng.integers(DETAILED, self.texts.fluent.shape[1], count)
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


def cache_grids(model: WorldClip, dataset: ScenesDataset, folder: Path) -> np.ndarray:
    """Paint every scene once: memory map of what the image tower sees, `(scenes, C, H, W)`.

    The frozen trunk's grids in float16, or pixels in uint8. Those that an earlier run left in
    `folder` are used again if their pictures are the same.
    """
    count = len(dataset.records)
    kind = "grids" if isinstance(model, ScenesClip) else "pixels"
    key = f"{kind}-{dataset.name}-{dataset.split}-{count}-{pictures_key(dataset)['pixels']}"
    path = folder / f"{key}.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")
    unfinished = folder / f"{key}.part"
    grids: np.memmap | None = None
    for start in track(range(0, count, _GRID_BATCH), f"{kind} of {dataset.split}"):
        indices = range(start, min(start + _GRID_BATCH, count))
        batch = model.grid(torch.from_numpy(dataset.images(indices))).numpy()
        if grids is None:
            kept = np.float16 if batch.dtype == np.float32 else batch.dtype
            shape = (count, *batch.shape[1:])
            grids = np.lib.format.open_memmap(unfinished, mode="w+", dtype=kept, shape=shape)
        grids[start : start + len(batch)] = batch
    assert grids is not None, "a dataset has at least one scene"
    grids.flush()
    unfinished.rename(path)
    return grids


def set_statistics(model: ScenesClip, grids: np.ndarray, sample: int = 1000) -> None:
    """Standardise the input channels by their mean and variance over some scenes."""
    step = max(1, len(grids) // sample)
    values = torch.from_numpy(grids[::step].astype(np.float32))
    norm = model.visual.conv1[0]
    norm.running_mean.copy_(values.mean(dim=(0, 2, 3)))
    norm.running_var.copy_(values.var(dim=(0, 2, 3)).clamp_min(1e-4))


def epoch_batches(family: np.ndarray, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Scene positions in batches; near-duplicate families stay together, so details decide.

    Scenes in excess of the last full batch are left out of this epoch.
    """
    order = rng.permutation(len(family))
    names, member = np.unique(family[order], return_inverse=True)
    keys = rng.permutation(len(names))[member]
    order = order[np.argsort(keys, kind="stable")]
    count = len(order) // batch
    batches = [order[i * batch : (i + 1) * batch] for i in range(count)]
    return [batches[i] for i in rng.permutation(count)]
