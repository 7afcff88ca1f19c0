"""Judges that were never rewarded: is a caption more distinctive, or only more to CLIP's taste?"""

from __future__ import annotations

import torch

from gegcore.clip import load_clip
from gegcore.embeddings import DualEncoder
from gegcore.errors import ConfigError
from gegcore.scenes_clip.model import MODELS
from gegcore.vse.model import NAME, load_vse

JUDGES = {"scenes-clip-judge": "judge CLIP", NAME: "VSE++"}
"""Name for `load_judge` -> label in tables. Both belong to the embedded world."""


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
