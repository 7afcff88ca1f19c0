"""Steps of training a CLIP of the embedded world, and going on after an interruption."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from emoji_scenes.clip.model import WorldClip
from emoji_scenes.training_scripts.clip_corpus import Sampler, epoch_batches
from emoji_scenes.training_scripts.clip_loss import contrastive_loss, sigmoid_loss
from gegcore.clip import crop_to_longest, encode_cropped
from gegcore.progress import track
from gegcore.storage import atomic_write

_MAX_SCALE = 100.0
"""CLIP's bound on the inverse temperature."""


class Trainer:
    """A CLIP in training.

    Args:
        model: with CLIP's loss, or with SigLIP's where it has a bias.
        arguments: of the command; `epochs`, `batch`, `texts`, `shift`, `learning_rate`,
            `weight_decay` and `seed` are used.
    """

    def __init__(self, model: WorldClip, arguments: argparse.Namespace) -> None:
        self.model, self.arguments = model, arguments
        self.optimiser = optimiser_of(model, arguments)

    def fit(
        self, grids: np.ndarray, sampler: Sampler, state: Path, key: str
    ) -> Iterator[tuple[int, float]]:
        """Train; yields (epoch, mean loss) after every epoch.

        Args:
            grids: `(scenes, C, H, W)` as `cache_grids` made them.
            sampler: of their texts.
            state: file that keeps what the last whole epoch left.
            key: of all that decides the weights; the state of another training is not used.
        """
        options = self.arguments
        steps = options.epochs * (len(grids) // options.batch)
        for epoch in range(self._resume(state, key), options.epochs):
            # Every epoch has its own numbers, so one that is begun again draws the same.
            rng = np.random.default_rng([options.seed, epoch])
            batches = epoch_batches(sampler.texts.family, options.batch, rng)
            losses = []
            self.model.train()
            for i, scenes in enumerate(track(batches, f"epoch {epoch + 1}/{options.epochs}")):
                done = epoch * len(batches) + i
                for group in self.optimiser.param_groups:
                    group["lr"] = learning_rate(done, steps, options.learning_rate)
                pictures = shifted(torch.from_numpy(grids[scenes]).float(), options.shift, rng)
                texts = sampler(np.tile(scenes, options.texts), rng)
                losses.append(self.step(pictures, texts))
            whole = {"key": key, "epoch": epoch + 1, "model": self.model.state_dict()}
            with atomic_write(state, "wb") as stream:
                torch.save({**whole, "optimiser": self.optimiser.state_dict()}, stream)
            yield epoch, float(np.mean(losses))

    def _resume(self, path: Path, key: str) -> int:
        """Take the state of an interrupted training of this key; the epochs that it had done."""
        state = torch.load(path, weights_only=True) if path.is_file() else {}
        if state.get("key") != key:
            return 0
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["epoch"])

    def step(self, pictures: Tensor, texts: tuple[Tensor, Tensor, Tensor]) -> float:
        """One update on one batch; returns the loss."""
        # The plain attention kernel: its backward pass on the CPU is faster than flash attention's.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", dtype=torch.bfloat16):
            loss = self._loss(pictures, texts)
            self.optimiser.zero_grad()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(_MAX_SCALE))
        return float(loss.detach())

    def _loss(self, pictures: Tensor, texts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        model, (positive, clean, wrong) = self.model, texts
        image = F.normalize(model.encode_grid(pictures).float(), dim=-1)
        text = F.normalize(_encode_by_length(model, torch.cat([positive, wrong])), dim=-1)
        own, extra = text[: len(positive)], text[len(positive) :]
        scale = model.logit_scale.exp()
        if model.logit_bias is None:
            return contrastive_loss(image, own, extra, clean, scale)
        return sigmoid_loss(image, own, extra, scale, model.logit_bias)


def optimiser_of(model: torch.nn.Module, arguments: argparse.Namespace) -> torch.optim.AdamW:
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


def shifted(pictures: Tensor, most: int, rng: np.random.Generator) -> Tensor:
    """Pictures `(B, C, H, W)` moved together by up to `most` pixels, their edges continued.

    Left stays left, unlike in a mirror image: all that is said of them stays true.
    """
    if most == 0:
        return pictures
    height, width = pictures.shape[2:]
    top, left = rng.integers(0, 2 * most + 1, 2)
    padded = F.pad(pictures, (most,) * 4, mode="replicate")
    return padded[:, :, top : top + height, left : left + width]


def _encode_by_length(model: WorldClip, bpe: Tensor, parts: int = 4) -> Tensor:
    """Text features of captions, short and long ones apart, so that little padding is encoded."""
    order = (bpe != 0).sum(dim=1).argsort()
    chunks = [crop_to_longest(model, bpe[rows]) for rows in order.chunk(parts)]
    features = torch.cat([encode_cropped(model, chunk).float() for chunk in chunks])
    return features[order.argsort()]
