"""What a metric may read: captions, references and, where there are, pictures in CLIP's space."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gegcore.data.dataset import CaptionDataset
from gegcore.embeddings import DualEncoder, EmbeddingTable
from gegcore.errors import DataError
from gegcore.groups import SimilarGroups
from gegcore.metrics.tokenized import Tokenized, tokenize_captions


class Judged(NamedTuple):
    """A judge that was not rewarded, and its embeddings of a split."""

    judge: DualEncoder
    table: EmbeddingTable


@dataclass(frozen=True)
class Pictures:
    """The images that compete in retrieval, as CLIP sees them.

    Attributes:
        clip: the CLIP that retrieves; it made `table` and `groups` too.
        table: embeddings of all N images of the split and of their references.
        image_ids: N ids, in the order of the embeddings.
        groups: the K similar images of each.
    """

    clip: DualEncoder
    table: EmbeddingTable
    image_ids: Sequence[Hashable]
    groups: SimilarGroups


class WordGroups(NamedTuple):
    """Similar images of each captioned image, known without pictures.

    Attributes:
        members: `(M, K)` int64, positions among the captions.
        construction: how they were found, for signatures.
    """

    members: Tensor
    construction: str


@dataclass(frozen=True)
class MetricInputs:
    """M captions, one an image, and all that they can be measured against.

    Attributes:
        captions: image id -> caption as written.
        references: image id -> reference captions as written; the same ids.
        pictures: None where only the words are known.
        judges: label -> a dual encoder that was not rewarded, of the same images.
        dataset: the split that the images are from, None for anybody's files.
        spice: whether SPICE is asked for, which takes minutes where captions are new.
        word_groups: of metrics of words; by default the groups of the pictures.
        timeout: seconds of silence after which METEOR or SPICE has failed; None: their own.
        keep_going: a program that fails costs its own metric (`Scores.failed`); else everything.
    """

    captions: Mapping[Any, str]
    references: Mapping[Any, Sequence[str]]
    pictures: Pictures | None = None
    judges: Mapping[str, Judged] = field(default_factory=dict)
    dataset: CaptionDataset | None = None
    spice: bool = True
    word_groups: WordGroups | None = None
    timeout: float | None = None
    keep_going: bool = False

    @cached_property
    def tokenized(self) -> Tokenized:
        """Captions and references as Penn Treebank tokens."""
        return tokenize_captions(self.captions, self.references)

    @property
    def seen(self) -> Pictures:
        """The pictures, for metrics that cannot do without.

        Raises:
            DataError: there are none.
        """
        if self.pictures is None:
            raise DataError("this metric needs pictures", "pass `pictures`")
        return self.pictures

    @cached_property
    def text(self) -> Tensor:
        """CLIP embeddings of the captions `(M, E)`, on the CPU.

        Raises:
            DataError: they are NaN or infinite.
        """
        text = self.seen.clip.encode_texts(list(self.captions.values())).cpu()
        if not bool(torch.isfinite(text).all()):
            raise DataError("CLIP embeddings of captions are NaN or infinite", "check its weights")
        return text

    @cached_property
    def images(self) -> Tensor:
        """CLIP embeddings of all N images `(N, E)`, on the CPU."""
        return self.seen.table.images.cpu()

    @cached_property
    def index(self) -> Tensor:
        """Position `(M,)` of each captioned image among the N images.

        Raises:
            DataError: an unknown or doubled id, or a number of ids that is not that of the images.
        """
        ids, count = self.seen.image_ids, len(self.seen.table.images)
        position = {image: index for index, image in enumerate(ids)}
        if len(ids) != count:
            what = f"{len(ids)} image ids but {count} image embeddings"
            raise DataError(what, "give one id for each embedding")
        if len(position) != len(ids):
            raise DataError("image ids are listed twice", "give each image one id")
        if unknown := [image for image in self.captions if image not in position]:
            what = f"{len(unknown)} captioned images have no embedding, for example {unknown[0]!r}"
            raise DataError(what, "embed every image of the split with this CLIP")
        return torch.tensor([position[image] for image in self.captions])

    @cached_property
    def row(self) -> Tensor:
        """`(N,)`: which of the M captions is of each image, -1 for none."""
        row = torch.full((len(self.seen.table.images),), -1)
        row[self.index] = torch.arange(len(self.index))
        return row
