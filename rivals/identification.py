"""A reward of our own: would CLIP find the picture by its caption, and the caption by its picture?

    r(c) = alpha CIDEr-D(c) + beta [ image(c) + text(c) ] - lambda ( log pi(c) - log pi_ref(c) )
    image(c) = log softmax over {I} and S(I) of tau f(I', c), at I
    text(c)  = log softmax over {c} and C-   of tau f(I, c'), at c

with S(I) the K similar images of Sec. 3.2, C- their references, f of Eq. 1 and tau CLIP's own logit
scale. The last term's mean over samples is the KL divergence to pi_ref, the captioner that training
starts from.

The image term stops to pay once the picture is told from its group: lists of details gain nothing.
For small tau it is GEG-Avg (Eq. 3): image(c) = -log(K + 1) + tau K / (K + 1) GEG-Avg + O(tau^2).
For large tau it is the negative part of GEG-Min (Eq. 4): image(c) / tau -> min(0, GEG-Min). The
text term punishes a false object, which GEG-Avg hardly does. In a profile:

    ours: {loss: "rivals.identification:Anchored", loss_settings: {kl: 0.02}, start_from: scst,
           rewards: {cider: 0.1, "rivals.identification:ImageTerm": 0.05,
                     "rivals.identification:TextTerm": 0.05}}

What is asked of it was written down before any test run: `book/preregistration.md`.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gegcore.decoding import said_mask
from gegcore.errors import ConfigError
from gegcore.experiment.objective import LossInputs
from gegcore.rewards import RewardInputs
from gegcore.rewards.group import ClipReward
from gegcore.training.objectives import Sampled, SelfCriticalObjective
from gegcore.training.scst import self_critical_loss
from rivals.reference import log_ratio

_AT_ONCE = 512


def logit_scale(given: RewardInputs) -> float:
    """tau: by what CLIP multiplies its cosines while it learns.

    Raises:
        ConfigError: a CLIP without one.
    """
    scale = getattr(given.clip.model, "logit_scale", None)
    if scale is None:
        what = f"CLIP '{given.clip.name}' has no logit scale"
        raise ConfigError(what, "choose one of open_clip's, or reward with geg_avg")
    return float(scale.exp().clamp(max=100.0))


def image_term(text_emb: Tensor, target: Tensor, group: Tensor, tau: float) -> Tensor:
    """log softmax over the picture and its group, at the picture.

    Shapes: text_emb (B, S, E), target (B, E), group (B, K, E) -> (B, S), at most 0.
    """
    candidates = torch.cat([target[:, None], group], 1)  # (B, 1 + K, E)
    return (tau * text_emb @ candidates.mT).log_softmax(-1)[..., 0]


def text_term(text_emb: Tensor, target: Tensor, others: Tensor, tau: float) -> Tensor:
    """log softmax over the caption and those of the group, at the caption.

    Args:
        others: `(B,)`, log of the sum of exp(tau f(I, c')) over c' in C-.

    Shapes: text_emb (B, S, E), target (B, E) -> (B, S), at most 0.
    """
    own = tau * (text_emb @ target[..., None]).squeeze(-1)
    return own - torch.logaddexp(own, others[:, None])


class ImageTerm(ClipReward):
    """image(c)."""

    group_index: Tensor

    def __init__(self, given: RewardInputs) -> None:
        super().__init__(given.encoder, given.images)
        self.tau = logit_scale(given)
        self.register_buffer("group_index", given.groups.index)

    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        group = self.image_embeddings[self.group_index[image_index]]
        return image_term(text_emb, self.image_embeddings[image_index], group, self.tau)


class TextTerm(ClipReward):
    """text(c); what the references of the group weigh is summed once, when it is built."""

    others: Tensor

    def __init__(self, given: RewardInputs) -> None:
        super().__init__(given.encoder, given.images)
        self.tau = logit_scale(given)
        self.register_buffer("others", weight_of_others(given, self.tau))

    def score(self, text_emb: Tensor, image_index: Tensor) -> Tensor:
        target = self.image_embeddings[image_index]
        return text_term(text_emb, target, self.others[image_index], self.tau)


def weight_of_others(given: RewardInputs, tau: float) -> Tensor:
    """log sum exp(tau f(I, c')) over the references c' of the images similar to I: `(N,)`."""
    assert given.captions is not None
    count = torch.tensor([len(captions) for captions in given.references])
    start, most = count.cumsum(0) - count, int(count.max())
    offset = torch.arange(most)
    at = (start[:, None] + offset).clamp(max=len(given.captions) - 1)  # (N, C) rows of captions
    there = offset < count[:, None]
    sums = []
    for rows in torch.arange(len(count)).split(_AT_ONCE):
        members = given.groups.index[rows].to(at.device)
        captions = given.captions[at[members].flatten(1)]  # (b, K x C, E)
        scores = tau * (captions @ given.images[rows][..., None]).squeeze(-1)
        scores = scores.masked_fill(~there[members].flatten(1), -torch.inf)
        sums.append(scores.logsumexp(1))
    return torch.cat(sums)


class AnchoredConfig(BaseModel):
    """What the loss lets one choose."""

    model_config = ConfigDict(extra="forbid")

    kl: float = Field(0.02, ge=0, description="lambda, of the distance to pi_ref in nats")


class Anchored(SelfCriticalObjective):
    """SCST whose samples pay for being likelier than under the captioner that it starts from."""

    Config = AnchoredConfig

    def __init__(self, inputs: LossInputs, config: AnchoredConfig) -> None:
        super().__init__(**inputs.self_critical())
        self.kl, self.reference = config.kl, inputs.reference_model()

    def loss(self, step: Sampled) -> Tensor:
        advantage = step.advantage
        if self.kl:
            ratio = log_ratio(self, self.reference, step)
            advantage = advantage - self.kl * (ratio - mean_of_others(ratio))
        mask = said_mask(step.samples)
        return self_critical_loss(step.log_probs, advantage, mask, reduction="sum")


def mean_of_others(values: Tensor) -> Tensor:
    """Of an image's other samples, a baseline without bias; 0 if there is none. `(B, S)`."""
    others = values.shape[1] - 1
    return (values.sum(1, keepdim=True) - values) / others if others else torch.zeros_like(values)
