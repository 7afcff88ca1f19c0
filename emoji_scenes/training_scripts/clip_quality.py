"""How good an instrument a CLIP of the embedded world is: recall, scale, resistance to gaming.

`python -m emoji_scenes.training_scripts.clip_quality` prints this for the shipped CLIP, SigLIP and
VSE++, and how far the judges share the errors of the CLIP that rewards.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.independence import shared_errors
from emoji_scenes.scenes.alttext import alt_texts
from emoji_scenes.training_scripts.clip_degenerate import KINDS
from emoji_scenes.truth import count_truth
from gegcore.embeddings import DualEncoder
from gegcore.gap import group_embedding_gap
from gegcore.groups import similar_groups
from gegcore.metrics.judged import load_judge

REWARDED, *JUDGES = "scenes-clip", "scenes-siglip", "scenes-vse"


def recalls(text_emb: Tensor, image_emb: Tensor) -> dict[str, float]:
    """R@1/5/10 in per cent, text i belongs to image i; a tie counts against the image."""
    scores = text_emb @ image_emb.T
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1)
    return {f"R@{k}": round(100 * float((rank <= k).float().mean()), 2) for k in (1, 5, 10)}


def gaming(
    clip: DualEncoder, texts: Sequence[str], image_emb: Tensor, seed: int
) -> dict[str, float]:
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
    clip: DualEncoder, dataset: ScenesDataset, image_emb: Tensor, seed: int
) -> dict[str, dict[str, float]]:
    """Recalls with one human caption and one clean alt-text per picture."""
    human, web = _texts(dataset, seed)
    return {
        "human captions": recalls(clip.encode_texts(human), image_emb),
        "alt-texts": recalls(clip.encode_texts(web), image_emb),
    }


def evaluate(
    clip: DualEncoder, dataset: ScenesDataset, image_emb: Tensor, seed: int
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


def independence(
    rewarded: DualEncoder, judge: DualEncoder, dataset: ScenesDataset, seed: int
) -> dict[str, float]:
    """`shared_errors` of both with one human caption a picture."""
    human, _ = _texts(dataset, seed)
    ids = [record.image_id for record in dataset.records]
    scenes = {image: dataset.scene(i) for i, image in enumerate(ids)}
    listener = count_truth(dict(zip(ids, human, strict=True)), scenes).listener
    pictures = dataset.images(range(len(ids)))
    scores = [m.encode_texts(human) @ m.encode_images(pictures).T for m in (rewarded, judge)]
    found = shared_errors(scores[0].numpy(), scores[1].numpy(), listener)
    return {name: round(value, 3) for name, value in found.items()}


def main(scenes: int = 1000, seed: int = 11) -> None:
    """Print the quality of the shipped models on validation scenes."""
    dataset, rewarded = ScenesDataset("val", scenes), load_judge(REWARDED)
    pictures = dataset.images(range(scenes))
    for name in (REWARDED, *JUDGES):
        model = load_judge(name)
        report = evaluate(model, dataset, model.encode_images(pictures), seed)
        if name != REWARDED:
            report[f"errors shared with {REWARDED}"] = independence(rewarded, model, dataset, seed)
        print(json.dumps({name: report}, indent=1), flush=True)


if __name__ == "__main__":
    main()
