"""Captions of any pictures by a trained run, and how they tell each from pictures like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.decoding import beam_search
from gegcore.embeddings import embed_pictures
from gegcore.errors import ConfigError, DataError
from gegcore.experiment.train import new_captioner
from gegcore.gap import group_embedding_gap
from gegcore.materials import Materials
from gegcore.models.captioner import Captioner
from gegcore.progress import track
from gegcore.runs import TRAINED, RunFolder

_AT_ONCE = 32


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
    run.check(TRAINED)
    model = new_captioner(materials, model_name, seed=0)
    try:
        model.load_state_dict(load_file(run.checkpoint))
    except RuntimeError as error:
        what = f"{run.checkpoint} does not fit {model_name} of profile '{materials.profile.name}'"
        raise DataError(what, "give the profile that the run was trained with") from error
    return model.eval()


@torch.no_grad()
def caption_images(
    materials: Materials,
    run: RunFolder,
    model_name: str,
    dataset: CaptionDataset,
    rows: Sequence[int],
    beam: int = 3,
) -> list[str]:
    """The best caption of each image by beam search (`beam` 1: greedily), in the order of `rows`.

    Raises:
        DataError: a picture cannot be read; the run is not trained, or of another profile.
        ChecksumError: files of the run are missing or damaged.
    """
    words, longest = materials.vocabulary, materials.profile.max_len
    model = load_captioner(materials, run, model_name)
    captions = []
    for start in track(range(0, len(rows), _AT_ONCE), "captions", delay=2):
        batch = materials.features_of(dataset, rows[start : start + _AT_ONCE])
        found = beam_search(model, batch.to(materials.device), beam, longest, words.forbidden)
        captions += [words.decode(ids) for ids in found.tokens[:, 0].tolist()]
    return captions


@torch.no_grad()
def gaps(
    materials: Materials,
    dataset: CaptionDataset,
    rows: Sequence[int],
    captions: Sequence[str],
    group: CaptionDataset,
    k: int,
    itself: Sequence[int],
) -> list[Gap]:
    """Each caption's gap against the K pictures of a group that CLIP finds nearest to its own.

    Pictures of one's own have no captions, so that nearness is the cosine of pictures, not Eq. 2.

    Args:
        itself: of each image its position in the group, which is left out; -1: it is not there.

    Raises:
        ConfigError: the group has fewer than K other pictures.
    """
    others = len(group.records) - (1 if max(itself) >= 0 else 0)
    if not 1 <= k <= others:
        what = f"a group of K = {k} pictures needs more than the {others} that are given"
        raise ConfigError(what, f"give more pictures, or K of {others} at most")
    own = embed_pictures(materials.clip, dataset, rows, "CLIP pictures")
    pool = embed_pictures(materials.clip, group, range(len(group.records)), "CLIP group")
    nearness = own @ pool.T
    for row, position in enumerate(itself):
        if position >= 0:
            nearness[row, position] = -torch.inf
    text = materials.clip.encode_texts(list(captions)).cpu()
    return _measured(text, own, pool, nearness.topk(k, dim=1).indices)


def gaps_in_split(
    materials: Materials, split: str, rows: Sequence[int], captions: Sequence[str]
) -> list[Gap]:
    """The same against the image's own similar group (Eq. 2)."""
    images, groups = materials.tables[split].images, materials.groups[split]
    text = materials.clip.encode_texts(list(captions)).cpu()
    return _measured(text, images[list(rows)], images, groups.index[list(rows)])


def _measured(text: Tensor, own: Tensor, pool: Tensor, nearest: Tensor) -> list[Gap]:
    """Captions and their images `(B, E)`, pictures `(N, E)`, positions `(B, K)`."""
    found = group_embedding_gap(text, own, pool[nearest])
    similarity = torch.linalg.vecdot(text, own)
    values = zip(similarity.tolist(), found.average.tolist(), found.minimum.tolist(), strict=True)
    return [Gap(*each, at) for each, at in zip(values, nearest.tolist(), strict=True)]
