"""CLIP (Sec. 3.1, Eq. 1): frozen image and text towers behind one API, open_clip's or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from gegcore import registry
from gegcore.embeddings import EmbeddingTable, embed_dataset, weights_digest
from gegcore.errors import ConfigError, DataError
from gegcore.text_tower import crop_to_longest, encode_cropped, encode_packed, packable
from gegcore.word_to_bpe import WordToBpe

__all__ = [
    "ClipModel",
    "EmbeddingTable",
    "WordToBpe",
    "crop_to_longest",
    "embed_dataset",
    "encode_cropped",
    "load_clip",
    "similarity",
]

Pictures = np.ndarray | Sequence[Image.Image]
"""uint8 RGB `(B, H, W, 3)`, or PIL images of any size."""

_TEXTS_PER_BATCH = 256
_TOKENS_PER_BATCH = 1024  # captions in the text tower at once, more than an SCST step ever has


def similarity(image_emb: Tensor, text_emb: Tensor) -> Tensor:
    """Cosine of image and caption (Eq. 1): `(..., E)`, `(..., E)` -> `(...)` float32."""
    image, text = F.normalize(image_emb.float(), dim=-1), F.normalize(text_emb.float(), dim=-1)
    return torch.linalg.vecdot(image, text)


class ClipModel(nn.Module):
    """A frozen CLIP: always in evaluation mode, no gradients, L2-normalised float32 embeddings.

    Args:
        name: what load_clip was asked for, e.g. "ViT-B-32-quickgelu/openai".
        model: an open_clip model (`CLIP`, `CustomTextCLIP` or a subclass).
        tokenizer: list of strings -> `(M, context_length)` BPE ids.
        prepare: pictures -> the input `(B, ...)` of the model's `encode_image`, each on its own.
        any_size: whether `prepare` resizes and crops photographs as the model was trained on them.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        tokenizer: Any,
        prepare: Callable[[Pictures], Tensor],
        any_size: bool = False,
    ) -> None:
        super().__init__()
        self.any_size = any_size
        self.name, self.tokenizer, self.prepare = name, tokenizer, prepare
        self.model: Any = model.requires_grad_(False)
        self.parts = (prepare,)  # whose code embeds, too
        self.eval()

    def train(self, mode: bool = True) -> ClipModel:
        """Stay in evaluation mode whatever the module around does: this CLIP is an instrument."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def rewarding(self) -> ClipModel:
        """What rewards captions of a training split: itself, unless it has learnt from them."""
        return self

    @cached_property
    def digest(self) -> str:
        """Of the weights."""
        return weights_digest(self.model)

    @torch.no_grad()
    def encode_images(self, images: Pictures | Tensor, batch_size: int = 64) -> Tensor:
        """Embed pictures: uint8 RGB `(B, H, W, 3)`, PIL images or what `prepare` gave -> `(B, E)`.

        Raises:
            DataError: no pictures, or an array that is not uint8 `(B, H, W, 3)`.
        """
        if len(images) == 0:
            raise DataError("no images to embed", "pass at least one image")
        if isinstance(images, np.ndarray):
            shape, kind = images.shape, images.dtype
            if kind != np.uint8 or len(shape) != 4 or shape[-1] != 3:
                what = f"images have shape {shape} and type {kind}"
                raise DataError(what, "pass uint8 RGB pixels of shape (B, H, W, 3)")
        parts = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            prepared = batch if isinstance(batch, Tensor) else self.prepare(batch)
            features = self.model.encode_image(prepared.to(self.device))
            parts.append(F.normalize(features.float(), dim=-1))
        return torch.cat(parts)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed captions `(M,)`, at least one, -> `(M, E)`; overlong ones are truncated."""
        if isinstance(texts, str):
            raise DataError("encode_texts got one string", "pass a list of strings")
        if len(texts) == 0:
            raise DataError("no captions to embed", "pass at least one caption")
        bpe = self.tokenizer(list(texts))
        # Short and long ones apart, so that little padding is encoded.
        order = (bpe != 0).sum(dim=1).argsort(stable=True)
        parts = [
            self.encode_tokens(crop_to_longest(self.model, bpe[rows]).to(self.device))
            for rows in order.split(_TEXTS_PER_BATCH)
        ]
        return torch.cat(parts)[order.argsort().to(self.device)]

    @torch.no_grad()
    def encode_tokens(
        self, bpe: Tensor, precision: torch.dtype = torch.float32, waits: bool | None = None
    ) -> Tensor:
        """Embed BPE ids `(M, L)` -> `(M, E)` float32.

        Args:
            bpe: start and end tokens included, L up to the context length.
            precision: of the matrix products (autocast): float32, bfloat16 or float16. It holds
                whatever autocast the caller is in.
            waits: encode captions that occur twice once, and of those that begin alike the
                beginning; the host then waits for the device. By default on a CPU only.
        """
        device, mixed = bpe.device.type, precision != torch.float32
        waits = device == "cpu" if waits is None else waits
        if waits:
            bpe, inverse = torch.unique(bpe, dim=0, return_inverse=True)
        packed = waits and not mixed and packable(self.model)
        encode = encode_packed if packed else encode_cropped
        with torch.autocast(device, precision if mixed else None, enabled=mixed):
            parts = [encode(self.model, part) for part in bpe.split(_TOKENS_PER_BATCH)]
        embeddings = F.normalize(torch.cat(parts).float(), dim=-1)
        return embeddings[inverse] if waits else embeddings


def load_clip(
    name: str = "ViT-B-32-quickgelu",
    pretrained: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> ClipModel:
    """Load a frozen CLIP; nothing is downloaded unless `pretrained` is a tag not yet in the cache.

    Args:
        name: an open_clip architecture (the paper: ViT-B/32 of OpenAI, whose activation is
            QuickGELU: "ViT-B-32-quickgelu"), or a CLIP of somebody else's: a name that
            `gegcore.registry` finds, of a function (pretrained) -> `ClipModel`.
        pretrained: an open_clip tag; or a local weights file, also OpenAI's own (TorchScript) and
            wrapped ones (see `gegcore.weights.unwrap`), or a folder of the Hugging Face cache that
            holds one; by default "openai", or what a CLIP of somebody else's brings.

    Raises:
        ConfigError: unknown architecture or tag, or weights of another activation.
        DataError: the weights file is missing, damaged, holds NaN or Inf, or does not fit.
        MissingDependencyError: weights, or the tokenizer or configuration of a text tower of
            Hugging Face, are neither here nor could be downloaded.
    """
    if registry.learner("clip", name):
        raise ConfigError(f"CLIP '{name}' learns from captions", "name it in a profile")
    if ":" in name or name in registry.names("clip"):
        return registry.find("clip", name)(pretrained).to(device)
    from gegcore import clip_files  # and open_clip: seconds that others who import this do not wait

    source = str(pretrained or "openai")
    path = clip_files.find(name, source)
    model, transform, tokenizer = clip_files.build(name, source, path)

    def prepare(images: Pictures) -> Tensor:
        pictures = [Image.fromarray(x) if isinstance(x, np.ndarray) else x for x in images]
        return torch.stack([transform(picture) for picture in pictures])

    label = path.name if path else source
    return ClipModel(f"{name}/{label}", model, tokenizer, prepare, True).to(device)
