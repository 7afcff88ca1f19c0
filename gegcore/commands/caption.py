"""`gegcore caption`: captions of anybody's photographs by a trained run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gegcore.commands.options import Commands, add_profile


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    caption = commands.add_parser("caption", help="caption photographs with a trained run")
    caption.add_argument("photographs", type=Path, nargs="+", metavar="PHOTOGRAPH")
    add_profile(caption)
    caption.add_argument("--model", default="transformer")
    caption.add_argument("--objective", default="scst_geg", help="default: scst_geg")
    caption.add_argument("--seed", type=int, default=1)
    caption.add_argument("--beam", type=int, default=3, help="size of beam search; 1: greedy")
    caption.set_defaults(function=_caption)


def _caption(arguments: argparse.Namespace) -> None:
    """One line of JSON a photograph, which `gegcore evaluate` reads."""
    from gegcore.experiment.captioning import caption_pictures
    from gegcore.materials import Materials
    from gegcore.profiles import load_profile

    profile = load_profile(arguments.profile)
    run = profile.run(arguments.model, arguments.objective, arguments.seed)
    captions = caption_pictures(
        Materials.of(profile), run, arguments.model, arguments.photographs, arguments.beam
    )
    for path, text in zip(arguments.photographs, captions, strict=True):
        print(json.dumps({"image_id": path.name, "caption": text}, ensure_ascii=False))
