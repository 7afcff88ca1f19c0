"""CLIP and judges trained on a profile's own captions, where no other weights are at hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor

from gegcore.array_folder import save_arrays, stored_arrays
from gegcore.clip import ClipModel, Pictures, load_clip
from gegcore.code_digest import code_digest
from gegcore.data.vocabulary import Vocabulary
from gegcore.materials import Materials
from gegcore.storage import digest
from photographs.cross_fitting import TrainedClip
from photographs.encoders import EncoderSettings, PhotoEncoder, WordTokenizer
from photographs.extractor import grids_of
from photographs.fit import fit
from photographs.grids import Grids, GridView, half_of
from photographs.pictures import square

PAPER_CLIP = "ViT-B-32-quickgelu"

CLIP = EncoderSettings()
SIGLIP = EncoderSettings(network="efficientnet-lite2", loss="sigmoid")
VSE = EncoderSettings(loss="hinge", pictures="max", captions="last", epochs=20)
"""The CLIP that rewards and measures; a judge with a network of its own; and VSE++."""


def trained_clip(materials: Materials) -> ClipModel:
    """The CLIP "trained" of a profile; the paper's, where its weights are at hand.

    They are if the profile's `clip_pretrained` names them, or if they lie in the cache of the
    Hugging Face hub.
    """
    weights = materials.profile.clip_pretrained or _cached_weights()
    if weights is not None:
        print(f"clip: {PAPER_CLIP} of {weights} is at hand, none is trained", file=sys.stderr)
        return load_clip(PAPER_CLIP, weights, materials.device)
    half = partial(_trained, materials, CLIP, "clip", 12)
    return _trained(materials, CLIP, "clip", 11, half=half)


def trained_siglip(materials: Materials) -> ClipModel:
    """The judge "trained-siglip": another network and another loss, never rewarded."""
    return _trained(materials, SIGLIP, "siglip", 14)


def trained_vse(materials: Materials) -> ClipModel:
    """The judge "trained-vse": VSE++, other towers and another loss, never rewarded."""
    return _trained(materials, VSE, "vse", 15)


for _learner in (trained_clip, trained_siglip, trained_vse):
    _learner.learns = True  # type: ignore[attr-defined]


def _cached_weights() -> str | None:
    """Weights of the paper's CLIP in the cache of the hub."""
    from open_clip.pretrained import get_pretrained_cfg  # seconds, as in `encoders`

    repository = str((get_pretrained_cfg(PAPER_CLIP, "openai") or {}).get("hf_hub", "")).strip("/")
    for file in ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        found = try_to_load_from_cache(repository, file) if repository else None
        if isinstance(found, str):
            return found
    return None


def _trained(
    materials: Materials,
    settings: EncoderSettings,
    name: str,
    seed: int,
    part: int | None = None,
    half: Callable[[int], ClipModel] | None = None,
) -> TrainedClip:
    """A model that learns from the training split, or from the pictures of one half of it."""
    train, grids = materials.data["train"], grids_of(materials, settings.network)
    view, captions = grids.of(train), [record.captions for record in train.records]
    # Of both halves: they read the same ids.
    words = Vocabulary.build((text for texts in captions for text in texts), settings.min_count)
    if part is not None:
        mine = [row for row, sha in enumerate(view.shas) if half_of(sha) == part]
        view, captions = view.only(mine), [captions[row] for row in mine]
        name, seed = f"{name}-half{part}", seed + part
    folder = materials.folder / "retrieval" / name
    model, tokenizer = _kept(settings, words, view, captions, seed, grids, folder)
    side = materials.profile.data.image_px  # type: ignore[attr-defined]

    def prepare(pictures: Pictures) -> Tensor:
        return grids(np.stack([square(picture, side) for picture in pictures]))

    return TrainedClip(f"{train.name} {name}", model, tokenizer, prepare, half)


def _kept(
    settings: EncoderSettings,
    words: Vocabulary,
    view: GridView,
    captions: Sequence[Sequence[str]],
    seed: int,
    grids: Grids,
    folder: Path,
) -> tuple[PhotoEncoder, WordTokenizer]:
    """The model in `folder`, if it learnt from just this; else it is trained, and kept there."""
    key = {
        "settings": settings.model_dump(),
        "network": grids.digest,
        "words": words.digest,
        "pictures": digest([sha.hex() for sha in view.shas]),
        "captions": digest([list(texts) for texts in captions]),
        "seed": seed,
        "code": code_digest("photographs.fit"),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = PhotoEncoder(settings, grids.width, words).to(grids.device)
        tokenizer = WordTokenizer(words)
        stored = stored_arrays(folder, tuple(model.state_dict()), "retrieval model", key)
        if stored is None:
            fit(model, tokenizer, view, captions, seed, folder.name)
            save_arrays(folder, model.state_dict(), key)
        else:
            model.load_state_dict(stored.tensors)
    return model.eval().requires_grad_(False), tokenizer
