"""How good an instrument the CLIP of the embedded world is: recall, scale, resistance to gaming."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts
from emoji_scenes.training_scripts.clip_degenerate import KINDS
from gegcore.clip import ClipModel
from gegcore.gap import group_embedding_gap
from gegcore.groups import similar_groups


def recalls(text_emb: Tensor, image_emb: Tensor) -> dict[str, float]:
    """R@1/5/10 in per cent, text i belongs to image i; a tie counts against the image."""
    scores = text_emb @ image_emb.T
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1)
    return {f"R@{k}": round(100 * float((rank <= k).float().mean()), 2) for k in (1, 5, 10)}


def gaming(clip: ClipModel, texts: Sequence[str], image_emb: Tensor, seed: int) -> dict[str, float]:
    """Per cent of scenes whose clean text is closer to the picture than its gamed version."""
    own = (clip.encode_texts(texts) * image_emb).sum(dim=1)
    report = {}
    for kind, spoil in KINDS.items():
        rng = random.Random(seed)
        gamed = clip.encode_texts([spoil(text, rng) for text in texts])
        wins = own > (gamed * image_emb).sum(dim=1)
        report[kind] = round(100 * float(wins.float().mean()), 1)
    return report


def scale(image_emb: Tensor, caption_emb: Tensor, owner: Tensor, k: int = 5) -> dict[str, float]:
    """Mean and standard deviation of f_CLIP and of the group gaps over all captions."""
    groups = similar_groups(image_emb, caption_emb, owner, k)
    members = image_emb[groups.index[owner]]  # (M, K, E)
    own = (caption_emb * image_emb[owner]).sum(dim=1)
    gap = group_embedding_gap(caption_emb, image_emb[owner], members)
    report = {}
    for name, values in (("f_CLIP", own), ("GEG-Avg", gap.average), ("GEG-Min", gap.minimum)):
        report[f"{name} mean"] = round(float(values.mean()), 4)
        report[f"{name} std"] = round(float(values.std()), 4)
    return report


def retrieval(
    clip: ClipModel, dataset: ScenesDataset, image_emb: Tensor, seed: int
) -> dict[str, dict[str, float]]:
    """Recalls with one human caption and one clean alt-text per picture."""
    human, web = _texts(dataset, seed)
    return {
        "human captions": recalls(clip.encode_texts(human), image_emb),
        "alt-texts": recalls(clip.encode_texts(web), image_emb),
    }


def evaluate(
    clip: ClipModel, dataset: ScenesDataset, image_emb: Tensor, seed: int
) -> dict[str, Any]:
    """Everything above on one split.

    Args:
        clip: the model.
        dataset: scenes with human captions.
        image_emb: `(N, E)` of its pictures.
        seed: draws alt-texts and gamed texts.
    """
    human, web = _texts(dataset, seed)
    captions = [caption for record in dataset.records for caption in record.captions]
    counts = torch.tensor([len(record.captions) for record in dataset.records])
    owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return {
        "scenes": len(dataset.records),
        **retrieval(clip, dataset, image_emb, seed),
        "clean beats gamed, alt-texts": gaming(clip, web, image_emb, seed),
        "clean beats gamed, human captions": gaming(clip, human, image_emb, seed),
        "scale, human captions, K=5": scale(image_emb, clip.encode_texts(captions), owner),
    }


def _texts(dataset: ScenesDataset, seed: int) -> tuple[list[str], list[str]]:
    """One human caption and one alt-text of every scene."""
    records = dataset.records
    human = [record.captions[i % len(record.captions)] for i, record in enumerate(records)]
    web = [alt_texts(dataset.scene(i), seed, 1)[0] for i in range(len(records))]
    return human, web
