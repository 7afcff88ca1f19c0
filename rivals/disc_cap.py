"""Disc-Cap: SCST whose reward is CIDEr-D minus the loss of a frozen retrieval model.

    r(c, I) = CIDEr-D(c) - lambda CON(c, I)
    CON(c, I) = max_{c'} [m + s(I, c') - s(I, c)]_+ + max_{I'} [m + s(I', c) - s(I, c)]_+

I' are the other images of the step, c' what the captioner says of them. s is the cosine of VSE++,
trained on the training split and frozen. In a profile:

    disc: {loss: "rivals.disc_cap:DiscCap", loss_settings: {weight: 1}, start_from: mle}

What a caption is worth depends on the other images of its step: more processes or micro-batches
(`accumulate`) mean fewer rivals for each.

Simplified: VSE++ reads the captioner's own region features (their mean and their maximum) instead
of a ResNet's; of another image's samples, sample s is compared with sample s.

Compared with the authors' code (ruotianluo/DiscCaptioning, 13b47e2): both hinges with the hardest
rival of the step, margin 0.2, cosine, the last state of a GRU, the greedy caption as baseline and
weight 1 beside CIDEr-D are the same.

Source: luo2018disccap; the retrieval model: faghri2017vsepp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import normalize

from gegcore.array_folder import save_arrays, stored_arrays
from gegcore.clip import WordToBpe
from gegcore.code_digest import code_digest
from gegcore.data.dataset import annotations_digest
from gegcore.data.features import FeatureStore
from gegcore.data.vocabulary import Vocabulary
from gegcore.experiment.objective import LossInputs
from gegcore.materials import Materials
from gegcore.rewards import WeightedReward
from gegcore.training.objectives import SelfCriticalObjective
from photographs.encoders import EncoderSettings, PhotoEncoder, WordTokenizer
from photographs.fit import fit

VSE = EncoderSettings(
    network="regions", loss="hinge", pictures="max", captions="last", epochs=8, min_count=1
)
SEED = 21
_AT_ONCE = 256


class DiscConfig(BaseModel):
    """What the loss lets one choose."""

    model_config = ConfigDict(extra="forbid")

    weight: float = Field(1.0, ge=0, description="lambda")
    margin: float = Field(0.2, ge=0, description="m")


class DiscCap(SelfCriticalObjective):
    """SCST with the rewards of the profile and the contrastive loss of VSE++."""

    Config = DiscConfig

    def __init__(self, inputs: LossInputs, config: DiscConfig) -> None:
        super().__init__(**inputs.self_critical())
        term = Discriminability(inputs.materials, config.margin)
        terms = {**self.reward.weighted, "contrastive loss": (-config.weight, term)}
        self.reward = WeightedReward(terms)


class Discriminability:
    """CON of captions among those of one step, under a frozen VSE++."""

    def __init__(self, materials: Materials, margin: float) -> None:
        self.margin = margin
        self.model, tokenizer = retrieval_model(materials)
        self.word_to_bpe = WordToBpe(materials.vocabulary.words, tokenizer).to(materials.device)
        self.images = embed(self.model, RegionView(materials.features["train"]))

    @torch.no_grad()
    def __call__(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Shapes: word ids (B, S, T), image_index (B,) -> (B, S)."""
        flat = tokens.flatten(0, 1)
        texts = normalize(self.model.encode_text(self.word_to_bpe(flat)), dim=-1)
        texts = texts.view(*tokens.shape[:2], -1).transpose(0, 1)  # (S, B, E)
        return contrastive(self.images[image_index] @ texts.mT, self.margin).T


def contrastive(scores: Tensor, margin: float) -> Tensor:
    """CON from similarities `(S, B, B)` of image i and caption j -> `(S, B)`."""
    right = scores.diagonal(dim1=1, dim2=2)
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    wrong = (margin + scores).masked_fill(itself, -torch.inf)
    hinges = [(wrong.amax(dim) - right).clamp(min=0) for dim in (2, 1)]
    return hinges[0] + hinges[1]


class RegionView:
    """Region features of a split, laid out as `photographs.fit` reads grids."""

    def __init__(self, features: FeatureStore) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: Sequence[int] | np.ndarray) -> Tensor:
        """`(B, D, N)` of the images at `index`."""
        return self.features.batch([int(i) for i in index]).regions.transpose(1, 2)

    def parts(self) -> Iterator[Tensor]:
        """All in order, some at a time."""
        for rows in torch.arange(len(self)).split(_AT_ONCE):
            yield self[rows.tolist()]


def retrieval_model(materials: Materials) -> tuple[PhotoEncoder, WordTokenizer]:
    """VSE++ of the training split, frozen: the stored one if it learnt from just this."""
    train, features = materials.data["train"], materials.features["train"]
    captions = [record.captions for record in train.records]
    words = Vocabulary.build((text for texts in captions for text in texts), VSE.min_count)
    key = {
        "settings": VSE.model_dump(),
        "data": annotations_digest(train),
        "features": features.digest,
        "seed": SEED,
        "code": code_digest(__name__),
    }
    folder, tokenizer = materials.folder / "retrieval" / "disc-cap", WordTokenizer(words)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = PhotoEncoder(VSE, features.sizes.regions, words).to(materials.device)
        stored = stored_arrays(folder, tuple(model.state_dict()), "VSE++ of Disc-Cap", key)
        if stored is None:
            fit(model, tokenizer, RegionView(features), captions, SEED, "VSE++ of Disc-Cap")  # type: ignore[arg-type]
            save_arrays(folder, model.state_dict(), key)
        else:
            model.load_state_dict(stored.tensors)
    return model.eval().requires_grad_(False), tokenizer


@torch.no_grad()
def embed(model: PhotoEncoder, view: RegionView) -> Tensor:
    """Embeddings `(N, E)` of all images, L2-normalised."""
    device = model.mean.device
    parts = [model.encode_image(part.to(device)) for part in view.parts()]
    return normalize(torch.cat(parts), dim=-1)
