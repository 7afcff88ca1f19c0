"""DiCO: of an image's candidates the one that CLIP likes best is preferred to all others.

    L = -log sigmoid( beta [ log pi(w)/pi_ref(w) - sum_i gamma_i log pi(l_i)/pi_ref(l_i) ] )

with w the winner, l_i the losers and gamma_i = softmax_i( tau (r(w) - r(l_i)) ): a classification
inside the captioner, no policy gradient. Candidates come from beam search (`sampling: beam`). In a
profile:

    dico: {loss: "rivals.dico:Dico", start_from: mle, sampling: beam, samples: 5,
           rewards: {"rivals.clip_reward:ClipS": 1}}

Simplified: rewards are CLIP-S; the authors prefer PAC-S, a CLIP fine-tuned on captions, which would
be another instrument than that of the other methods here.

Source: moratelli2024dico.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from gegcore.decoding import said_mask
from gegcore.experiment.objective import LossInputs
from gegcore.training.objectives import Sampled, SelfCriticalObjective
from rivals.reference import log_ratio


class DicoConfig(BaseModel):
    """What the loss lets one choose."""

    model_config = ConfigDict(extra="forbid")

    beta: float = Field(0.2, gt=0, description="how far the captioner may go from pi_ref")
    tau: float = Field(100.0, ge=0, description="sharpness of the losers' weights gamma")


class Dico(SelfCriticalObjective):
    """SCST's candidates and rewards under DiCO's loss."""

    Config = DicoConfig

    def __init__(self, inputs: LossInputs, config: DicoConfig) -> None:
        super().__init__(**inputs.self_critical())
        self.settings, self.reference = config, inputs.reference_model()

    def loss(self, step: Sampled) -> Tensor:
        own = step.log_probs.sum(-1)
        # log pi - log pi_ref, with the gradient of log pi.
        ratio = own - own.detach() + log_ratio(self, self.reference, step)
        losses = preference_loss(ratio, step.rewards[:, 1:], self.settings.beta, self.settings.tau)
        return losses.mean() * said_mask(step.samples).sum()  # a mean over images


def preference_loss(ratio: Tensor, rewards: Tensor, beta: float, tau: float) -> Tensor:
    """The loss of each image, `(B,)`.

    Args:
        ratio: `(B, S)`, log pi(c) / pi_ref(c) of the candidates.
        rewards: `(B, S)`; the first of equals wins.
    """
    winner = rewards.argmax(1, keepdim=True)
    distance = rewards.gather(1, winner) - rewards
    is_winner = torch.zeros_like(rewards, dtype=torch.bool).scatter(1, winner, True)
    gamma = (tau * distance).masked_fill(is_winner, -torch.inf).softmax(1)
    margin = ratio.gather(1, winner).squeeze(1) - (gamma * ratio).sum(1)
    return -logsigmoid(beta * margin)
