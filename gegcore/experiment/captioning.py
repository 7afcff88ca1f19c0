"""Captions of any pictures by a trained run, and how they tell each from pictures like it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.decoding import beam_search
from gegcore.embeddings import embed_pictures
from gegcore.errors import ConfigError, DataError
from gegcore.experiment.train import new_captioner, run_command
from gegcore.gap import group_embedding_gap
from gegcore.groups import similar_groups
from gegcore.materials import Materials
from gegcore.models.captioner import Captioner
from gegcore.models.registry import canonical
from gegcore.progress import track
from gegcore.registry import file_name
from gegcore.runs import TRAINED, RunFolder

_AT_ONCE = 32

T = TypeVar("T")


@dataclass(frozen=True)
class Readable(Generic[T]):
    """What is made of those pictures of a data set that can be read.

    Attributes:
        rows: their positions in the data set.
        made: of all of them together; None where there are none.
        broken: position of each of the others -> why it cannot be read.
    """

    rows: list[int]
    made: T | None
    broken: dict[int, DataError]

    @classmethod
    def of(
        cls, dataset: CaptionDataset, rows: Sequence[int], make: Callable[[list[int]], T]
    ) -> Readable[T]:
        """Of the pictures at some positions; they are looked at one by one only if that fails."""
        try:
            return cls([*rows], make([*rows]), {})
        except DataError:
            broken = dict(_broken(dataset, rows))
            if not broken:
                raise
        there = [row for row in rows if row not in broken]
        return cls(there, make(there) if there else None, broken)


def _broken(dataset: CaptionDataset, rows: Sequence[int]) -> Iterator[tuple[int, DataError]]:
    for row in rows:
        try:
            dataset.images([row])
        except DataError as error:
            yield row, error


class Gap(NamedTuple):
    """How a caption lies between its picture and the K nearest of a group.

    Attributes:
        similarity: of caption and picture (Eq. 1).
        average, minimum: GEG-Avg and GEG-Min (Eq. 3 and 4).
        nearest: positions in the group, most similar first.
    """

    similarity: float
    average: float
    minimum: float
    nearest: list[int]


def load_captioner(materials: Materials, run: RunFolder, model_name: str) -> Captioner:
    """A run's captioner in evaluation mode; raises as `caption_images`."""
    if not run.file(TRAINED).exists():
        raise DataError(f"run {run.path} is not trained", _how_to_train(materials, run, model_name))
    run.check(TRAINED)
    model = new_captioner(materials, model_name, seed=0)
    try:
        model.load_state_dict(load_file(run.checkpoint))
    except RuntimeError as error:
        what = f"{run.checkpoint} does not fit {model_name} of profile '{materials.profile.name}'"
        raise DataError(what, "give the profile that the run was trained with") from error
    return model.eval()


def _how_to_train(materials: Materials, run: RunFolder, model_name: str) -> str:
    """By the names in that of the folder; another one's was not made by a command."""
    model = canonical(model_name)
    named = re.fullmatch(rf"{re.escape(file_name(model))}-(.+)-seed(\d+)", run.name)
    if not named:
        return "give the folder of a trained run: runs/PROFILE/RUN"
    return f"run `{run_command(materials.profile, model, named[1], named[2])}`"


def caption_images(
    materials: Materials,
    run: RunFolder,
    model_name: str,
    dataset: CaptionDataset,
    rows: Sequence[int],
    beam: int = 3,
) -> Iterator[Readable[list[str]]]:
    """The best caption of each image by beam search (`beam` 1: greedily), some images at a time.

    Raises:
        DataError: the run is not trained, or of another profile.
        ChecksumError: files of it are missing or damaged.
    """
    words, longest = materials.vocabulary, materials.profile.max_len
    model = load_captioner(materials, run, model_name)

    @torch.no_grad()
    def captions(batch: Sequence[int]) -> list[str]:
        features = materials.features_of(dataset, batch).to(materials.device)
        found = beam_search(model, features, beam, longest, words.forbidden)
        return [words.decode(ids) for ids in found.tokens[:, 0].tolist()]

    for start in track(range(0, len(rows), _AT_ONCE), "captions", delay=2):
        yield Readable.of(dataset, rows[start : start + _AT_ONCE], captions)


def embed_group(materials: Materials, group: CaptionDataset) -> Readable[Tensor]:
    """Embeddings `(N, E)` of pictures to tell others from."""
    make = partial(embed_pictures, materials.clip, group, label="CLIP group")
    return Readable.of(group, range(len(group.records)), make)


def check_k(k: int, others: int) -> None:
    """ConfigError where a group has fewer than K pictures other than the one it is for."""
    if not 1 <= k <= others:
        what = f"a group of K = {k} pictures needs more than the {others} that are given"
        raise ConfigError(what, f"give more pictures, or K of {others} at most")


@torch.no_grad()
def gaps(
    materials: Materials,
    dataset: CaptionDataset,
    rows: Sequence[int],
    captions: Sequence[str],
    group: Tensor,
    k: int,
    itself: Sequence[int],
) -> list[Gap]:
    """Each caption's gap against the K pictures of a group that CLIP finds nearest to its own.

    Pictures of one's own have no captions, so that nearness is the cosine of pictures, not Eq. 2.

    Args:
        group: of `embed_group`.
        k: see `check_k`.
        itself: of each image its position in the group, which is left out; -1: it is not there.
    """
    own = embed_pictures(materials.clip, dataset, rows, "CLIP pictures")
    nearness = own @ group.T
    for row, position in enumerate(itself):
        if position >= 0:
            nearness[row, position] = -torch.inf
    text = materials.clip.encode_texts(list(captions)).cpu()
    return _measured(text, own, group, nearness.topk(k, dim=1).indices)


def gaps_in_split(
    materials: Materials,
    split: str,
    rows: Sequence[int],
    captions: Sequence[str],
    k: int | None = None,
) -> list[Gap]:
    """The same against the image's own similar group (Eq. 2).

    Args:
        k: default: the profile's K.

    Raises:
        ConfigError: the split has no more than K images.
    """
    table, groups = materials.tables[split], materials.groups[split]
    nearest = groups.index[list(rows)][:, :k]
    if k is not None and k > groups.k:
        given = table.images, table.captions, table.caption_image, k
        found = [similar_groups(*given, rows=range(row, row + 1)).index for row in rows]
        nearest = torch.cat(found)
    clip = materials.clip.rewarding if split == "train" else materials.clip  # as of the table
    text = clip.encode_texts(list(captions)).cpu()
    return _measured(text, table.images[list(rows)], table.images, nearest)


def _measured(text: Tensor, own: Tensor, pool: Tensor, nearest: Tensor) -> list[Gap]:
    """Captions and their images `(B, E)`, pictures `(N, E)`, positions `(B, K)`."""
    found = group_embedding_gap(text, own, pool[nearest])
    similarity = torch.linalg.vecdot(text, own)
    values = zip(similarity.tolist(), found.average.tolist(), found.minimum.tolist(), strict=True)
    return [Gap(*each, at) for each, at in zip(values, nearest.tolist(), strict=True)]
