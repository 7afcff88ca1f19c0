"""What every run needs and no run changes: data, features, CLIP tables, similar-image groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gegcore import registry
from gegcore.clip import ClipModel, EmbeddingTable, embed_dataset, load_clip
from gegcore.data.attributes import WordClassifier, classifier_of
from gegcore.data.dataset import SPLITS, CaptionDataset, annotations_digest
from gegcore.data.features import (
    ExtractorProtocol,
    FeatureBatch,
    FeatureStore,
    compute_features,
    features_of,
    write_features,
)
from gegcore.data.vocabulary import Vocabulary
from gegcore.embeddings import DualEncoder
from gegcore.errors import DataError
from gegcore.groups import SimilarGroups, groups_of, make_groups
from gegcore.metrics.calibration import calibration
from gegcore.metrics.inputs import Judged
from gegcore.metrics.judged import load_judge, open_judges
from gegcore.profiles import Profile
from gegcore.runs import project_root

STAGES = {"data": "vocabulary", "features": "features", "clip": "tables", "groups": "groups"}
"""Stage of `gegcore prepare` -> what of `Materials` it makes."""


@dataclass
class Materials:
    """The prepared inputs of one profile, opened on demand and made if they are missing or stale.

    Attributes:
        folder: `artifacts/<profile>/`.
        device: where CLIP and the detector run.
    """

    profile: Profile
    folder: Path
    device: torch.device

    @classmethod
    def of(cls, profile: Profile, device: torch.device | str = "cpu") -> Materials:
        folder = project_root() / "artifacts" / profile.name
        return cls(profile, folder, torch.device(device))

    @cached_property
    def data(self) -> dict[str, CaptionDataset]:
        """Annotated images of each split."""
        return {split: self.profile.data.open(split, self.folder / "data") for split in SPLITS}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Words of the training captions, or those of the profile's file."""
        if self.profile.vocabulary:
            return Vocabulary.read(project_root() / self.profile.vocabulary)
        path = self.folder / "data" / "vocabulary.json"
        captions = (caption for record in self.data["train"].records for caption in record.captions)
        vocabulary = Vocabulary.build(captions, self.profile.min_count)
        with suppress(DataError):  # missing or damaged: written again
            if Vocabulary.load(path).digest == vocabulary.digest:
                return vocabulary
        vocabulary.save(path)
        return vocabulary

    @cached_property
    def clip(self) -> ClipModel:
        """The CLIP that measures; `clip.rewarding` embeds the training split."""
        name, weights = self.profile.clip, self.profile.clip_pretrained
        learner = registry.learner("clip", name)
        return learner(self) if learner else load_clip(name, weights, self.device)

    @cached_property
    def extractor(self) -> ExtractorProtocol:
        """What computes the features."""
        name = self.profile.data.extractor
        learner = registry.learner("extractor", name)
        made: ExtractorProtocol = (learner or registry.find("extractor", name))(
            self if learner else self.device
        )
        return made

    @cached_property
    def features(self) -> dict[str, FeatureStore]:
        """Pooled and region features of each split, and attributes."""
        stores = {
            split: write_features(dataset, self.extractor, self.folder / "features" / split)
            for split, dataset in self.data.items()
        }
        words = self._words(stores)
        return {
            split: store.with_words(words) if words else store for split, store in stores.items()
        }

    def _words(self, stores: Mapping[str, FeatureStore]) -> WordClassifier | None:
        """What tells the attributes where data says so and the extractor does not."""
        if not self.profile.data.learns_attributes or stores["train"].width("attributes"):
            return None
        pooled = torch.from_numpy(stores["train"].all("pooled")).float()
        captions = [record.captions for record in self.data["train"].records]
        made_from, folder = stores["train"].digest, self.folder / "attributes"
        return classifier_of(pooled, captions, made_from, folder)

    def features_of(self, dataset: CaptionDataset, rows: Sequence[int]) -> FeatureBatch:
        """Features of images of any data set, as captioners of this profile read them."""
        batch, words = features_of(self.extractor, dataset, rows), self.features["train"].words
        return replace(batch, attributes=words(batch.pooled)) if words else batch

    @cached_property
    def tables(self) -> dict[str, EmbeddingTable]:
        """CLIP embeddings of the images and reference captions of each split."""
        clips = dict.fromkeys(SPLITS, self.clip) | {"train": self.clip.rewarding}
        return {
            split: embed_dataset(clips[split], dataset, self.folder / "clip" / split)
            for split, dataset in self.data.items()
        }

    @cached_property
    def calibration(self) -> dict[str, Any]:
        """Whether CLIP measures as is published of it; empty where the profile does not say."""
        published = self.profile.calibration
        return calibration(self.tables["test"], published) if published else {}

    @cached_property
    def groups(self) -> dict[str, SimilarGroups]:
        """Similar-image groups of each split (Sec. 3.2)."""
        k = self.profile.group_size
        return {
            split: groups_of(table, k, self._groups_folder(split), self.device)
            for split, table in self.tables.items()
        }

    def _groups_folder(self, split: str) -> Path:
        return self.folder / "groups" / f"{split}-k{self.profile.group_size}"

    def under(self, profile: Profile) -> Materials:
        """The same inputs for what `profile.changed` returns, without opening them again."""
        if profile == self.profile:
            return self
        other = copy(self)  # with what has been opened
        other.profile = profile
        if profile.group_size != self.profile.group_size:
            vars(other).pop("groups", None)
        return other

    def references(self, split: str) -> list[list[list[int]]]:
        """Reference captions of a split as word ids, one list an image.

        Raises:
            DataError: an image without captions, or a caption of unknown words only.
        """
        encoded, unknown = [], {*self.vocabulary.forbidden}
        for record in self.data[split].records:
            ids = [self.vocabulary.encode(caption) for caption in record.captions]
            where = f"{split} image {record.image_id}"
            if not ids:
                raise DataError(f"{where} has no caption", "give one, or drop the image")
            for caption, words in zip(record.captions, ids, strict=True):
                if unknown.issuperset(words):
                    what = f"caption {caption!r} of {where} has no known word"
                    raise DataError(what, "drop the caption, or lower min_count in the profile")
            encoded.append(ids)
        return encoded

    def judges(self, split: str) -> dict[str, Judged]:
        """The profile's judges by label, with what they see of a split."""
        return open_judges(self._judges, self.profile.judges, self.data[split], self.folder)

    @cached_property
    def _judges(self) -> dict[str, DualEncoder]:
        """By label."""
        opened = {}
        for label, name in self.profile.judges.items():
            learner = registry.learner("judge", name)
            opened[label] = learner(self) if learner else load_judge(name, self.device)
        return opened

    def make(self, stage: str) -> None:
        """Make one stage ("data", "features", "clip" or "groups") for all splits."""
        getattr(self, STAGES[stage])

    def make_share(self, stage: str, share: tuple[int, int]) -> None:
        """Of n processes number i: its share (i, n) of the features or the groups."""
        for split in SPLITS:
            if stage == "features":
                folder = self.folder / "features" / split
                compute_features(self.data[split], self.extractor, folder, share=share)
            elif stage == "groups":
                k, folder = self.profile.group_size, self._groups_folder(split)
                make_groups(self.tables[split], k, folder, self.device, share)

    def digests(self, *splits: str, clip: bool = True) -> dict[str, Any]:
        """Digests of the content of everything that is read of these splits.

        Args:
            clip: with CLIP, its embeddings, and the groups.
        """
        found: dict[str, Any] = {
            "vocabulary": self.vocabulary.digest,
            "data": {split: annotations_digest(self.data[split]) for split in splits},
            "features": {split: self.features[split].digest for split in splits},
        }
        if clip:
            found["clip"] = self.clip.digest
            if self.clip.rewarding is not self.clip:
                found["rewarding clip"] = self.clip.rewarding.digest
            found["embeddings"] = {split: self.tables[split].digest for split in splits}
            found["groups"] = {split: self.groups[split].digest for split in splits}
        return found
