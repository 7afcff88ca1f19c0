"""Data of the page *Score a caption*: CLIP's text tower and test pictures, for a browser."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from safetensors.torch import save
from torch import Tensor

from bookkit.report.page import png_address
from bookkit.report.results import Runs
from emoji_scenes.clip.model import MODELS
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from emoji_scenes.vision.weights import FOLDER as WEIGHTS
from gegcore.clip import ClipModel
from gegcore.errors import ConfigError, DataError
from gegcore.materials import Materials
from gegcore.profiles import Profile
from gegcore.storage import write_text

DATA = "scorer-data.js"

PICTURES = 200
"""Pictures that can be chosen: the first of the test split. Ranks are among all of it."""

_COLOURS, _SIDE = 64, 192

_TEXT = ("token_embedding", "positional_embedding", "transformer.", "ln_final", "text_projection")


def write_scorer(profile: Profile, folder: Path) -> Path | None:
    """Write `scorer-data.js`, which `scorer.js` asks for; None where there is nothing to play with.

    There is in the embedded world, whose CLIP is small enough for a page, once it is prepared.
    """
    path = folder / DATA
    materials = Materials.of(profile)
    prepared = (materials.folder / "groups").is_dir()
    if profile.data.kind != "scenes" or profile.clip not in MODELS or not prepared:
        path.unlink(missing_ok=True)
        return None
    content = json.dumps(scorer_data(materials), separators=(",", ":"))
    write_text(path, f"window.gegScorer.start({content});\n")
    return path


def scorer_data(materials: Materials) -> dict[str, Any]:
    """What the page needs, as JSON.

    `tensors`: safetensors in base64, the text tower and `images (N, E)`; `merges`: the lines of the
    tokenizer; `heads`, `context`; `pictures`: of those that can be chosen and their groups, by
    position; `groups`; `captions`: label -> caption, by position.
    """
    clip, profile = materials.clip, materials.profile
    data, table = materials.data["test"], materials.tables["test"]
    if not isinstance(data, ScenesDataset):
        raise ConfigError(f"data of kind '{profile.data.kind}' has no scenes", "take profile quick")
    chosen = range(min(PICTURES, len(data.records)))
    groups = materials.groups["test"].index[: len(chosen)].tolist()
    needed = sorted({*chosen}.union(*groups))
    tensors = {**text_tower(clip), "images": table.images.contiguous()}
    return {
        "tensors": base64.b64encode(save(tensors)).decode(),
        "merges": merges_of(profile.clip),
        "heads": clip.model.transformer.resblocks[0].attn.num_heads,
        "context": clip.model.context_length,
        "groups": groups,
        "pictures": {row: _picture(data, row) for row in needed},
        "captions": _captions(profile, data, chosen),
    }


def text_tower(clip: ClipModel) -> dict[str, Tensor]:
    """The weights that embed a caption; matrices in float16, as they are shipped."""
    if not isinstance(clip.model, CLIP):
        raise ConfigError(f"CLIP {clip.name} is no model of open_clip's class CLIP", "use another")
    state = {key: value for key, value in clip.model.state_dict().items() if key.startswith(_TEXT)}
    half = {key: value.half() for key, value in state.items()}
    exact = {key for key, value in state.items() if torch.equal(half[key].float(), value)}
    return {key: (half if key in exact else state)[key].contiguous() for key in state}


def merges_of(name: str) -> str:
    """Lines of the CLIP's byte-pair encoding, without the header."""
    packed = WEIGHTS / f"{MODELS[name]}_bpe.txt.gz"
    return gzip.decompress(packed.read_bytes()).decode("utf-8").partition("\n")[2]


def _picture(data: ScenesDataset, row: int) -> str:
    return png_address(paint(data.scene(row), _SIDE), _COLOURS)


def _captions(profile: Profile, data: ScenesDataset, chosen: range) -> list[dict[str, str]]:
    """What annotators say of each picture, and what the first captioner's runs say."""
    said: list[dict[str, str]] = [
        {f"annotator {n + 1}": text for n, text in enumerate(data.records[row].captions[:2])}
        for row in chosen
    ]
    try:
        runs = Runs.of(profile)
    except DataError:
        return said
    at = {data.records[row].image_id: row for row in chosen}
    model, _, seed = next(iter(runs.folders))
    for (name, objective, number), run in runs.folders.items():
        if (name, number) == (model, seed) and run.file("captions.json").is_file():
            label = profile.objective(objective).label
            for image, caption in run.captions().items():
                if image in at:
                    said[at[image]][label] = caption
    return said
