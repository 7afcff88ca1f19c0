"""Checks of weights, artwork and fonts: what comes with packages or lies in a cache."""

from __future__ import annotations

import os
from pathlib import Path

from bookkit.doctor.check import Finding

RESTORE = "git checkout -- emoji_scenes/weights, or reinstall gegcore"

PAPER_CLIP = "ViT-B-32-quickgelu", "openai"
"""Architecture and tag in open_clip of the CLIP of the paper."""

_PAPER_CLIP_FOLDER = "models--timm--vit_base_patch32_clip_224.openai"
_SHIPPED = (".safetensors", ".json")
_PAPER_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def shipped_weights(folder: Path | None = None) -> Finding:
    """The package's own weights, each compared with the SHA-256 in its provenance and read."""
    from emoji_scenes.vision.weights import FOLDER, load_shipped
    from gegcore.errors import MissingDependencyError

    folder = folder or FOLDER
    names = sorted({path.stem for path in folder.glob("*.*") if path.suffix in _SHIPPED})
    if not names:
        raise MissingDependencyError(f"there are no weights in {folder}", RESTORE)
    numbers = 0
    for name in names:
        numbers += sum(tensor.numel() for tensor in load_shipped(name, folder).tensors.values())
    return Finding(f"{', '.join(names)}: {numbers / 1e6:.1f} million numbers, checksums agree")


def world_clip() -> Finding:
    """The CLIP of the embedded world, embedding a caption and a picture."""
    import numpy as np

    from gegcore.clip import load_clip, similarity

    clip = load_clip("scenes-clip")
    picture = clip.encode_images(np.zeros((1, 128, 128, 3), dtype=np.uint8))
    cosine = float(similarity(picture, clip.encode_texts(["a dark night"])))
    if not -1 <= cosine <= 1:  # also for NaN
        return Finding(f"the cosine of a picture and a caption is {cosine}", "broken", RESTORE)
    return Finding(f"scenes-clip, weights {clip.digest}; embedded a picture and a caption")


def paper_clip() -> Finding:
    """Whether open_clip has the CLIP of the paper in its cache; nothing is downloaded."""
    snapshots = _hub_cache() / _PAPER_CLIP_FOLDER / "snapshots"
    for name in _PAPER_CLIP_FILES:
        for path in snapshots.glob(f"*/{name}"):
            if path.is_file():  # A link whose target is gone is none.
                return Finding(str(path))
    code = "import open_clip; open_clip.create_model({!r}, {!r})".format(*PAPER_CLIP)
    return Finding("not in the cache of open_clip", "missing", f'python -c "{code}"')


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads, without the time that importing it takes."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", str(Path(cache) / "huggingface"))
    return Path(home).expanduser() / "hub"


def pictures() -> Finding:
    """An emoji of those that scenes are composed of, drawn."""
    from emoji_scenes.scenes.sprites import sprite

    drawn = sprite("1F415")
    return Finding(f"drew a dog of {drawn.width} x {drawn.height} pixels")


def fonts() -> Finding:
    """The font of the figures."""
    from matplotlib.font_manager import FontProperties, findfont

    from bookkit.report.style import FONT

    try:
        return Finding(findfont(FontProperties(family=FONT), fallback_to_default=False))
    except ValueError:
        fix = "pip install --force-reinstall matplotlib"
        return Finding(f"{FONT} is not found: figures would get another font", "missing", fix)
