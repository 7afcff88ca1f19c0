"""Similar-image groups (Sec. 3.2, Eq. 2): for each image, the K others most like it to CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gegcore.array_folder import append_rows, save_arrays
from gegcore.array_parts import ArrayParts, write_parts
from gegcore.code_digest import code_digest
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ConfigError, DataError
from gegcore.progress import track

_ARRAYS, _WHAT = ("index", "score"), "similar groups"
_BLOCK_ELEMENTS = 1 << 26  # similarities held at once (256 MiB of float32)


@dataclass(frozen=True)
class SimilarGroups:
    """The K most similar images of every image of one split.

    Attributes:
        index: `(N, K)` int64 positions within the split, most similar first, without the image.
        score: `(N, K)` float32, s(I_0, I_i) of Eq. 2, falling along K.
        key: that of the embeddings they were made from, and the code, `groups_code`.
        digest: of the content of stored ones: equal digests, equal groups.
    """

    index: Tensor
    score: Tensor
    key: Mapping[str, Any] | None = None
    digest: str = ""

    @property
    def k(self) -> int:
        return self.index.shape[1]

    def save(self, directory: Path | str) -> None:
        """Write the arrays and a manifest with their checksums."""
        save_arrays(directory, {"index": self.index, "score": self.score}, self.key)

    @classmethod
    def load(cls, directory: Path | str) -> SimilarGroups:
        """Read groups written by `save` or `make_groups`; raises as `ArrayParts.open`."""
        return cls._of(ArrayParts.open(directory, _ARRAYS, _WHAT))

    @classmethod
    def _of(cls, arrays: ArrayParts) -> SimilarGroups:
        index, score = (torch.from_numpy(arrays.whole(name)) for name in _ARRAYS)
        return cls(index, score, arrays.key, arrays.digest)


def groups_of(
    table: EmbeddingTable, k: int, directory: Path | str, device: torch.device | str = "cpu"
) -> SimilarGroups:
    """The groups stored in `directory`, if they are whole and of this table; else made, and stored.

    Args:
        device: where they are made.

    Errors are those of `similar_groups`.
    """
    made = make_groups(table, k, directory, device)
    assert made is not None  # nobody else has a share
    return SimilarGroups._of(made)


def make_groups(
    table: EmbeddingTable,
    k: int,
    directory: Path | str,
    device: torch.device | str = "cpu",
    share: tuple[int, int] = (0, 1),
) -> ArrayParts | None:
    """`groups_of` of a process with a share (see `write_parts`), which opens nothing."""

    def fill(folder: Path, start: int, stop: int) -> None:
        rows, (images, captions) = range(start, stop), embeddings()
        found = similar_groups(images, captions, table.caption_image, k, rows=rows)
        for name in _ARRAYS:
            append_rows(folder / f"{name}.npy", getattr(found, name).numpy(), len(rows))

    @cache  # moved once, and only where a part is missing
    def embeddings() -> tuple[Tensor, Tensor]:
        return table.images.to(device), table.captions.to(device)

    key = {**table.key, "groups_code": code_digest(__name__)}
    return write_parts(directory, _ARRAYS, _WHAT, key, len(table.images), fill, share)


def similar_groups(
    image_emb: Tensor,
    caption_emb: Tensor,
    caption_image: Tensor,
    k: int,
    key: Mapping[str, Any] | None = None,
    rows: range | None = None,
) -> SimilarGroups:
    """The K most similar images of every image of one split (Sec. 3.2, Eq. 2), exactly.

    As in the paper: the N' = N (K + 1) captions nearest to the target image, then the first K
    distinct images among them, the target left out. N is the largest number of captions of any
    image, so that N' captions always hold K other images. Equal scores go to the lower index.

    Args:
        image_emb: `(N_images, E)`, L2-normalised.
        caption_emb: `(M, E)` of all ground-truth captions of the split, L2-normalised.
        caption_image: `(M,)` int64, the position of each caption's image.
        rows: of the images whose groups are asked for; default: all.

    Raises:
        ConfigError: K < 1, or K is not smaller than the number of images.
        DataError: an image without a caption, a caption of an image outside the split, or an
            embedding with NaN or Inf.
    """
    images = image_emb.shape[0]
    captions_per_image = _check(images, caption_emb, caption_image, k)
    for what, emb in (("image", image_emb), ("caption", caption_emb)):
        broken = ~emb.sum(dim=1).isfinite()  # no copy of all rows
        if broken.any():
            raise DataError(
                f"the embedding of the {what} at position {int(broken.int().argmax())} holds NaN "
                "or infinite numbers",
                "embed it again, with a CLIP whose weights are finite, or leave it out",
            )
    caption_image = caption_image.to(caption_emb.device)
    nearest = min(captions_per_image * (k + 1), caption_emb.shape[0])
    size = max(1, _BLOCK_ELEMENTS // caption_emb.shape[0])
    asked = range(images) if rows is None else rows
    blocks = []
    for start in track(range(asked.start, asked.stop, size), f"similar groups of {len(asked):,}"):
        targets = torch.arange(start, min(start + size, asked.stop), device=caption_emb.device)
        similarity = image_emb[targets].float() @ caption_emb.float().T  # (b, M)
        blocks.append(_group_block(similarity, caption_image, targets, images, k, nearest))
    index, score = (torch.cat(parts).cpu() for parts in zip(*blocks, strict=True))
    return SimilarGroups(index, score, key)


def _check(images: int, caption_emb: Tensor, caption_image: Tensor, k: int) -> int:
    """Refuse what has no groups; return N, the largest number of captions of an image."""
    if k < 1:
        raise ConfigError(f"group size K = {k} is not positive", "use K >= 1 (the paper: 5)")
    if k >= images:
        raise ConfigError(
            f"group size K = {k} needs more than {k} images, but the split has {images}",
            f"use K <= {images - 1} or a larger split",
        )
    if caption_image.shape != caption_emb.shape[:1]:
        what = f"{caption_emb.shape[0]} captions but {caption_image.shape[0]} image positions"
        raise DataError(what, "give one image position for each caption")
    if int(caption_image.min()) < 0 or int(caption_image.max()) >= images:
        what = "a caption belongs to an image outside the split"
        raise DataError(what, "pass captions of this split only")
    counts = torch.bincount(caption_image, minlength=images)
    if int(counts.min()) == 0:
        raise DataError(
            f"image at position {int(counts.argmin())} has no caption",
            "drop images without captions: Eq. 2 is not defined for them",
        )
    return int(counts.max())


def _group_block(
    similarity: Tensor, caption_image: Tensor, targets: Tensor, images: int, k: int, nearest: int
) -> tuple[Tensor, Tensor]:
    """Index and score `(b, K)` of a block of targets from their similarities `(b, M)`."""
    score, caption = similarity.topk(nearest, dim=1)
    edge = score[:, -1].clone()
    index, score = _distinct(caption_image[caption], score, targets, k)
    # Where the K-th score equals the last caption's, captions just outside the N' may tie with it.
    doubtful = (score[:, -1] <= edge).nonzero().squeeze(1)
    if nearest < similarity.shape[1] and doubtful.numel():
        exact = _all_images(similarity[doubtful], caption_image, targets[doubtful], images, k)
        index[doubtful], score[doubtful] = exact
    return index, score


def _distinct(image: Tensor, score: Tensor, targets: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """First K distinct images of ranked captions `(b, N')`, ties to the lower index."""
    # Sorting by image (stable) puts an image's captions side by side, its best one first.
    image, order = image.sort(dim=1, stable=True)
    score = score.gather(1, order)
    seen = torch.zeros_like(image, dtype=torch.bool)
    seen[:, 1:] = image[:, 1:] == image[:, :-1]
    score = score.masked_fill(seen | (image == targets[:, None]), -torch.inf)
    score, order = score.sort(dim=1, descending=True, stable=True)
    return image.gather(1, order)[:, :k].contiguous(), score[:, :k].contiguous()


def _all_images(
    similarity: Tensor, caption_image: Tensor, targets: Tensor, images: int, k: int
) -> tuple[Tensor, Tensor]:
    """The same from Eq. 2 for every image of the split: slower, certain about ties."""
    score = similarity.new_full((len(targets), images), -torch.inf)
    score.scatter_reduce_(1, caption_image.expand(len(targets), -1), similarity, "amax")
    score.scatter_(1, targets[:, None], -torch.inf)
    score, index = score.sort(dim=1, descending=True, stable=True)
    return index[:, :k], score[:, :k]
