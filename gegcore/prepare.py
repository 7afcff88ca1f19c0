"""What every run needs and no run changes: data, features, CLIP tables, similar-image groups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch

from gegcore.array_folder import stored_source
from gegcore.clip import ClipModel, EmbeddingTable, embed_dataset, load_clip
from gegcore.data.feature_writer import write_features
from gegcore.data.features import FeatureStore
from gegcore.data.scenes.world import ScenesDataset
from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ChecksumError, DataError
from gegcore.groups import GroupSource, SimilarGroups, similar_groups
from gegcore.profiles import Profile
from gegcore.runs import project_root
from gegcore.storage import digest
from gegcore.vision.detector import load_extractor

SPLITS = ("train", "val", "test")
STAGES = ("data", "features", "clip", "groups")


@dataclass
class Materials:
    """The prepared inputs of one profile, opened on demand and made if they are missing.

    Every stage is idempotent: what is stored and current is opened, what is stale is made again.

    Attributes:
        profile: sizes and names.
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
    def data(self) -> dict[str, ScenesDataset]:
        """Annotated images of each split."""
        return {split: self._dataset(split) for split in SPLITS}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Words of the training captions."""
        path = self.folder / "data" / "vocabulary.json"
        captions = (caption for record in self.data["train"].records for caption in record.captions)
        vocabulary = Vocabulary.build(captions, self.profile.min_count)
        if not path.is_file() or Vocabulary.load(path).digest != vocabulary.digest:
            vocabulary.save(path)
        return vocabulary

    @cached_property
    def clip(self) -> ClipModel:
        return load_clip(self.profile.clip, self.profile.clip_pretrained, self.device)

    @cached_property
    def features(self) -> dict[str, FeatureStore]:
        """Pooled and region features of each split."""
        stores = {}
        extractor = load_extractor(self.device)
        for split, dataset in self.data.items():
            stores[split] = write_features(dataset, extractor, self.folder / "features" / split)
        return stores

    @cached_property
    def tables(self) -> dict[str, EmbeddingTable]:
        """CLIP embeddings of the images and reference captions of each split."""
        return {
            split: embed_dataset(self.clip, dataset, self.folder / "clip" / split)
            for split, dataset in self.data.items()
        }

    @cached_property
    def groups(self) -> dict[str, SimilarGroups]:
        """Similar-image groups of each split (Sec. 3.2)."""
        return {split: self._groups(split, table) for split, table in self.tables.items()}

    def make(self, stage: str) -> None:
        """Make one stage ("data", "features", "clip" or "groups") for all splits."""
        if stage == "data":
            _ = self.vocabulary
        else:
            getattr(self, {"features": "features", "clip": "tables", "groups": "groups"}[stage])

    def _dataset(self, split: str) -> ScenesDataset:
        path = self.folder / "data" / f"{split}.json"
        data = self.profile.data
        fresh = ScenesDataset(split, data.size(split), seed=data.seed)
        if path.is_file():
            try:
                stored = ScenesDataset.load(path)
                if _origin(stored) == _origin(fresh):
                    return stored
            except (DataError, ChecksumError):
                pass  # damaged or foreign: write it again
        fresh.save(path)
        return fresh

    def _groups(self, split: str, table: EmbeddingTable) -> SimilarGroups:
        k = self.profile.group_size
        folder = self.folder / "groups" / f"{split}-k{k}"
        source = GroupSource(self.clip.name, self.clip.digest, table.source["captions_digest"])
        if stored_source(folder) == asdict(source):
            return SimilarGroups.load(folder)
        groups = similar_groups(table.images, table.captions, table.caption_image, k, source)
        groups.save(folder)
        return groups

    def digest(self) -> str:
        """Of everything that training and evaluation read."""
        return digest(
            {
                "data": {split: dataset.digest for split, dataset in self.data.items()},
                "vocabulary": self.vocabulary.digest,
                "features": {split: store.digest for split, store in self.features.items()},
                "clip": self.clip.digest,
                "k": self.profile.group_size,
            }
        )


def _origin(dataset: ScenesDataset) -> tuple[str, int, int, str]:
    """What annotations follow from: comparing it is much faster than sampling them again."""
    return dataset.split, dataset.size, dataset.seed, dataset.recipe
