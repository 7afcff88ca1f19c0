"""Gdis-Cap: regions that no similar image has are lit up, and so are the words for them.

Group-based memory attention: how like a region of the image is to its nearest region in
each image of the group, mean over the group, R_i; weights w = N softmax(-R / t), mean 1, multiply
the encoded regions before the decoder reads them. Two losses beside MLE:

    L = L_xe + alpha L_dis + gamma L_mem

L_dis is the loss of distinctive words again: words of the image's references that no reference of
its group has. L_mem asks the weighted mean of the regions for these words (multi-label). SCST adds
the share of distinctive words that a caption says to CIDEr-D. In a profile:

    models: {"rivals.gdis_cap:GdisCap": {...}}
    objectives:
      gdis_mle: {loss: "rivals.gdis_cap:GroupCrossEntropy"}
      gdis: {start_from: gdis_mle, loss: self_critical,
             rewards: {cider: 1, "rivals.gdis_cap:DistinctiveWords": 0.5}}

Simplified: the group is seen in MLE. In SCST and at test an image is described by itself, as by all
other methods here: all weights are then 1, which is their mean.

Source: wang2021gdiscap.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.errors import ConfigError
from gegcore.experiment.objective import LossInputs
from gegcore.linear import Linear
from gegcore.models.attention import padding_bias
from gegcore.models.captioner import Memory
from gegcore.models.transformer import Transformer, TransformerConfig
from gegcore.models.transformer_decoder import KeyValueMemory
from gegcore.rewards import RewardInputs
from gegcore.training.objectives import CrossEntropyObjective, Taught
from rivals.ciderbtw_cap import weighted_cross_entropy


class GdisConfig(TransformerConfig):
    """The Transformer's settings, and one of the memory attention."""

    sharpness: float = Field(5.0, ge=0, description="1 / t, of the weights of regions")


@dataclass
class GroupMemory(KeyValueMemory):
    """An image seen within its group."""

    words: Tensor  # (B, V) logits of distinctive words


class GdisCap(Transformer):
    """The Transformer, which may look at the similar images while it learns."""

    Config = GdisConfig

    def __init__(self, vocab_size: int, inputs: InputSizes, config: GdisConfig) -> None:
        super().__init__(vocab_size, inputs, config)
        self.sharpness = config.sharpness
        self.memory_words = Linear(config.width, vocab_size)

    def encode_in_group(self, features: FeatureBatch, group: FeatureBatch) -> GroupMemory:
        """Shapes: features of B images, group of B x K, those of each image together."""
        (x, bias), (others, _) = self._regions(features), self._regions(group)
        others = others.unflatten(0, (len(features), -1))  # (B, K, N, d)
        mask = group.mask.unflatten(0, (len(features), -1))
        weights = region_weights(x, others, features.mask, mask, self.sharpness)
        x = x * weights[..., None]
        count = features.mask.sum(1, keepdim=True).clamp(min=1)
        pooled = x.masked_fill(~features.mask[..., None], 0).sum(1) / count
        keys_values = tuple(layer.project(x) for layer in self.decoder)
        return GroupMemory(x, bias, keys_values, self.memory_words(pooled))

    def _regions(self, features: FeatureBatch) -> tuple[Tensor, Tensor]:
        """Encoded regions `(B, N, d)` and what hides padded ones."""
        x = self.regions(features.regions, features.boxes, features.mask)
        bias = padding_bias(features.mask, x)
        for layer in self.encoder:
            x = layer(x, bias)
        return x, bias


def region_weights(
    x: Tensor, others: Tensor, mask: Tensor, others_mask: Tensor, sharpness: float
) -> Tensor:
    """Weights of an image's regions, mean 1 over the real ones: the fewer like it, the higher.

    Shapes: x (B, N, d), others (B, K, M, d), mask (B, N), others_mask (B, K, M) -> (B, N).
    """
    cosines = torch.einsum("bnd,bkmd->bknm", normalize(x, dim=-1), normalize(others, dim=-1))
    nearest = cosines.masked_fill(~others_mask[:, :, None], -1).amax(-1)  # (B, K, N)
    likeness = nearest.mean(1).masked_fill(~mask, torch.inf)
    count = mask.sum(1, keepdim=True)
    return count * (-sharpness * likeness).softmax(1)


class GroupConfig(BaseModel):
    """What the loss lets one choose."""

    model_config = ConfigDict(extra="forbid")

    distinctive: float = Field(1.0, ge=0, description="alpha, of distinctive words")
    memory: float = Field(0.1, ge=0, description="gamma, of the words told from the memory")


class GroupCrossEntropy(CrossEntropyObjective):
    """MLE within groups, with the losses of distinctive words."""

    Config = GroupConfig

    def __init__(self, inputs: LossInputs, config: GroupConfig) -> None:
        super().__init__(**inputs.cross_entropy())
        self.settings, self.groups = config, inputs.given.groups.index
        self.distinctive = distinctive_words(inputs.given).to(self.captions.device)

    def encode(self, model: nn.Module, image_index: Tensor) -> Memory:
        if not isinstance(model, GdisCap):
            raise ConfigError(
                f"{type(model).__name__} does not look at groups",
                "train rivals.gdis_cap:GdisCap by this loss",
            )
        members = self.groups[image_index].flatten()
        images, group = (
            self.features.batch(rows.tolist()).to(self.captions.device)
            for rows in (image_index, members)
        )
        return model.encode_in_group(images, group)

    def loss(self, taught: Taught) -> Tensor:
        assert isinstance(taught.memory, GroupMemory)
        words = self.distinctive[taught.image_index]  # (B, V)
        extra = words[:, None].expand(*taught.targets.shape[:2], -1)
        extra = extra.gather(2, taught.targets.clamp(min=0)).float()
        weights = 1 + self.settings.distinctive * extra
        smoothing = self.config.label_smoothing
        said = weighted_cross_entropy(self.logits(taught), taught.targets, weights, smoothing)
        told = binary_cross_entropy_with_logits(taught.memory.words, words.float(), reduction="sum")
        return said + self.settings.memory * told


def distinctive_words(given: RewardInputs) -> Tensor:
    """Words of an image's references that no reference of its group has: `(N, V)` bool."""
    size = len(given.vocabulary)
    known = torch.zeros(len(given.references), size, dtype=torch.bool)
    for row, captions in enumerate(given.references):
        known[row, [word for caption in captions for word in caption]] = True
    known[:, [0, *given.vocabulary.forbidden]] = False
    common = torch.zeros_like(known)
    for column in given.groups.index.T:
        common |= known[column]
    return known & ~common


class DistinctiveWords(nn.Module):
    """DisWordRate as a reward: the share of an image's distinctive words that a caption says."""

    words: Tensor

    def __init__(self, given: RewardInputs) -> None:
        super().__init__()
        self.register_buffer("words", distinctive_words(given))

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Shapes: word ids (B, S, T), image_index (B,) -> (B, S), 0 without such words."""
        words = self.words[image_index]  # (B, V)
        said = torch.zeros(
            *tokens.shape[:2], words.shape[-1], dtype=torch.bool, device=words.device
        )
        said.scatter_(2, tokens, True)
        return (said & words[:, None]).sum(-1) / words.sum(-1).clamp(min=1)[:, None]
