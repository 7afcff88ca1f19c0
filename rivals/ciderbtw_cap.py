"""CIDErBtw-Cap: what is said of similar images as well counts less, in MLE and in SCST.

CIDErBtw(c, I) is the mean CIDEr-D of a caption against the references of the K images similar to
I. In MLE reference i has the weight

    w_i = 1 + alpha (mean_j d_j - d_i),   d_i = CIDErBtw(c_i) / max_j CIDErBtw(c_j)             (1)

and SCST rewards

    r(c) = sum_i w_i CIDEr-D(c, c_i) / C - beta CIDErBtw(c)                                     (2)

In a profile:

    btw_mle: {loss: "rivals.ciderbtw_cap:WeightedCrossEntropy"}
    btw: {start_from: btw_mle, loss: self_critical, rewards: {
          "rivals.ciderbtw_cap:WeightedCider": 1, "rivals.ciderbtw_cap:CiderBetween": -0.2}}

Simplified: similar images are the groups of our paper (Sec. 3.2), as for every other method here;
the weights of an image have mean 1, where the paper has a constant that gives mean 1 over the data.

Compared with a later rebuilding by others (ukyh/switch_disc_caption) and with readers' notes of the
paper: the share of the largest CIDErBtw, weighted cross-entropy and CIDEr-D and the penalty are
the same, but for that constant.

Source: wang2020ciderbtw.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from gegcore.experiment.objective import LossInputs
from gegcore.progress import track
from gegcore.rewards import CiderD, RewardInputs
from gegcore.training.objectives import CrossEntropyObjective, Taught
from gegcore.training.xe import IGNORED, caption_tensor

ALPHA = 0.5
_AT_ONCE = 256


class CiderBetween(nn.Module):
    """CIDErBtw of sampled captions; a profile gives it a negative weight."""

    groups: Tensor

    def __init__(self, given: RewardInputs) -> None:
        super().__init__()
        self.cider = CiderD(given.references, len(given.vocabulary), count_end=given.count_end)
        self.register_buffer("groups", given.groups.index)

    @torch.no_grad()
    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        """Shapes: word ids (B, S, T), image_index (B,) -> (B, S)."""
        members = self.groups[image_index]  # (B, K)
        copies = tokens.repeat_interleave(members.shape[1], 0)
        scores = self.cider(copies, members.flatten())
        return scores.view(*members.shape, -1).mean(1)


class WeightedCider(CiderD):
    """CIDEr-D in which each reference counts as its weight says (2)."""

    def __init__(self, given: RewardInputs) -> None:
        super().__init__(given.references, len(given.vocabulary), count_end=given.count_end)
        weights = reference_weights(given, ALPHA)
        there = self.ref_scale.shape[1]
        self.ref_scale *= weights[:, :there, None].to(self.ref_scale.device)


@torch.no_grad()
def reference_weights(given: RewardInputs, alpha: float) -> Tensor:
    """w_i of all references, `(N, C)` as in `caption_tensor`; mean 1 over an image's own."""
    longest = max(len(words) for image in given.references for words in image)
    captions = caption_tensor(given.references, longest + 1)
    between, parts = CiderBetween(given), []
    rows = torch.arange(len(captions))
    for block in track(rows.split(_AT_ONCE), "CIDErBtw of references", delay=2):
        parts.append(between(captions[block], block))
    return weights_of(torch.cat(parts), torch.tensor([len(x) for x in given.references]), alpha)


def weights_of(between: Tensor, count: Tensor, alpha: float) -> Tensor:
    """w_i (1) from CIDErBtw `(N, C)`, of which each image's first `count` `(N,)` are its own."""
    own = torch.arange(between.shape[1]) < count[:, None]
    most = between.masked_fill(~own, 0).amax(1, keepdim=True).clamp(min=1e-8)
    share = between / most
    mean = (share * own).sum(1, keepdim=True) / own.sum(1, keepdim=True)
    return 1 + alpha * (mean - share)


class WeightedConfig(BaseModel):
    """What the loss lets one choose."""

    model_config = ConfigDict(extra="forbid")

    alpha: float = Field(ALPHA, ge=0, le=1, description="0: every reference counts alike")


class WeightedCrossEntropy(CrossEntropyObjective):
    """MLE with a weight for each reference (1)."""

    Config = WeightedConfig

    def __init__(self, inputs: LossInputs, config: WeightedConfig) -> None:
        super().__init__(**inputs.cross_entropy())
        self.weights = reference_weights(inputs.given, config.alpha).to(self.captions.device)

    def loss(self, taught: Taught) -> Tensor:
        weights = self.weights[taught.image_index].gather(1, taught.chosen)
        return weighted_cross_entropy(
            self.logits(taught), taught.targets, weights[..., None], self.config.label_smoothing
        )


def weighted_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Sum over real targets of their weights times -log p.

    Shapes: logits (..., T, V), targets (..., T), weights broadcastable to (..., T).
    """
    vocab = logits.shape[-1]
    losses = nn.functional.cross_entropy(
        logits.flatten(0, -2),
        targets.flatten(),
        ignore_index=IGNORED,
        reduction="none",
        label_smoothing=label_smoothing * vocab / (vocab - 1),  # as `gegcore.training.xe` has it
    )
    return (losses.view_as(targets) * weights).sum()
