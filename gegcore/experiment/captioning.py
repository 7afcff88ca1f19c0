"""Captions of anybody's pictures by a trained run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from gegcore.decoding import beam_search
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.progress import track
from gegcore.runs import TRAINED, RunFolder

_AT_ONCE = 32


@torch.no_grad()
def caption_pictures(
    materials: Materials, run: RunFolder, model_name: str, paths: Sequence[Path], beam: int = 3
) -> list[str]:
    """The best caption of each picture by beam search, in the order of the pictures.

    Raises:
        DataError: a picture cannot be read; the run is not trained.
        ConfigError: the profile's data has no pictures in files.
        ChecksumError: files of the run are missing or damaged.
    """
    run.check(TRAINED)
    data, words = materials.profile.data.of_files(paths), materials.vocabulary
    model = new_captioner(materials, model_name, seed=0)
    model.load_state_dict(load_file(run.checkpoint))
    model.eval()
    captions = []
    for start in track(range(0, len(paths), _AT_ONCE), "captions", delay=2):
        rows = range(start, min(start + _AT_ONCE, len(paths)))
        batch = materials.features_of(data, rows).to(materials.device)
        unknown = words.forbidden
        found = beam_search(model, batch, beam, materials.profile.max_len, unknown).tokens
        captions += [words.decode(ids) for ids in found[:, 0].tolist()]
    return captions
