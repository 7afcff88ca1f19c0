"""Judges that were never rewarded: is a caption more distinctive, or only more to CLIP's taste?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from gegcore.clip import load_clip
from gegcore.data.dataset import CaptionDataset
from gegcore.embeddings import DualEncoder, EmbeddingTable, embed_dataset
from gegcore.errors import ConfigError
from gegcore.scenes_clip.model import MODELS
from gegcore.vse.model import NAME, load_vse

JUDGES = {"scenes-clip-judge": "judge CLIP", NAME: "VSE++"}
"""Name for `load_judge` -> label in tables. Both belong to the embedded world."""


class Judged(NamedTuple):
    """A judge, and its embeddings of the pictures and references of a split."""

    judge: DualEncoder
    table: EmbeddingTable


def judge_split(
    dataset: CaptionDataset, folder: Path, device: torch.device | str = "cpu"
) -> dict[str, Judged]:
    """All judges of the embedded world, with what they see of a split, by their labels.

    Args:
        dataset: one split.
        folder: where the embeddings are kept, in `judges/NAME/SPLIT`.
        device: where the judges live.
    """
    found = {}
    for name, label in JUDGES.items():
        judge = load_judge(name, device)
        table = embed_dataset(judge, dataset, folder / "judges" / name / dataset.split)
        found[label] = Judged(judge, table)
    return found


def load_judge(name: str, device: torch.device | str = "cpu") -> DualEncoder:
    """Load a judge by its name in `JUDGES`.

    Raises:
        ConfigError: unknown name.
        MissingDependencyError, ChecksumError, DataError: its weights are absent or damaged.
    """
    if name == NAME:
        return load_vse(device=device)
    if name in MODELS and name in JUDGES:
        return load_clip(name, None, torch.device(device))
    raise ConfigError(f"unknown judge '{name}'", f"use one of: {', '.join(JUDGES)}")
