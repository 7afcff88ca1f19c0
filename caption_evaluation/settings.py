"""How `gegcore evaluate` is asked to score captions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gegcore.errors import ConfigError
from gegcore.metrics.uncertainty import RESAMPLES, check_numbers

_LONGEST = 10**6  # seconds; the system waits for no more than a few hundred years


@dataclass(frozen=True)
class EvaluationSettings:
    """How captions are scored.

    Attributes:
        clip, pretrained, device: of `load_clip`.
        k: size of the similar-image groups (the paper: 5).
        seed, resamples: of the bootstrap.
        batch_size: pictures in CLIP at once; None: as many as suit the device.
        cache: where embeddings are kept; None: nowhere.
        spice: compute SPICE if its programs are here; minutes for thousands of new captions.
        skip_bad: leave bad input out and list it, instead of stopping at it.
        split: "train", "val" or "test" of references in Karpathy's format; None: all.
        groups: a file of similar-image groups, `read_groups`; for CIDErBtw and DisWordRate.
        groups_by: what finds these two's groups without a file: "clip", which needs pictures, or
            "cider", which needs none.
        timeout: seconds of silence after which METEOR or SPICE has failed; None: their own.
        external: files of scores that other tools gave to these captions, `read_external`.
        instances: files of the objects in the images, `read_instances`; for CHAIR.
        export: folder for the captions and references that were scored, as other tools read them.
    """

    clip: str = "ViT-B-32-quickgelu"
    pretrained: str | None = None
    k: int = 5
    seed: int = 0
    resamples: int = RESAMPLES
    device: str = "cpu"
    batch_size: int | None = None
    cache: Path | None = None
    skip_bad: bool = False
    spice: bool = True
    split: str | None = None
    groups: Path | None = None
    groups_by: Literal["clip", "cider"] = "clip"
    timeout: float | None = None
    external: tuple[Path, ...] = ()
    instances: tuple[Path, ...] = ()
    export: Path | None = None


def check_one(settings: EvaluationSettings, files: int) -> None:
    """Scores of other tools, and files for them, are of one captions file."""
    if files > 1 and (settings.external or settings.export):
        raise ConfigError("--external and --export are for one captions file", "evaluate it alone")


def check_settings(settings: EvaluationSettings) -> None:
    """Refuse numbers as `check_numbers` does, and a device that is not there.

    Raises:
        ConfigError: there is such a number, or the device cannot be used.
    """
    numbers = {"seed": settings.seed, "resamples": settings.resamples, "groups": settings.k}
    check_numbers(numbers | {"batch-size": settings.batch_size}, "--")
    if settings.timeout is not None and not 0 < settings.timeout <= _LONGEST:
        what = f"--timeout {settings.timeout:g} is no number of seconds to wait"
        raise ConfigError(what, f"use more than 0, and at most {_LONGEST:,}")
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        what = f"device {settings.device!r} cannot be used: {reason}"
        raise ConfigError(what, "use --device cpu") from error
