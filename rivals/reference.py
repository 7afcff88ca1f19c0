"""The captioner that training starts from, as an anchor: pi_ref."""

from __future__ import annotations

import torch
from torch import Tensor

from gegcore.models.captioner import Captioner
from gegcore.training.objectives import Sampled, SelfCriticalObjective


@torch.no_grad()
def log_ratio(objective: SelfCriticalObjective, reference: Captioner, step: Sampled) -> Tensor:
    """log pi(c) - log pi_ref(c) of every sample, `(B, S)`, without gradient."""
    anchored = objective.score(reference, reference.encode(step.features), step.samples)
    return (step.log_probs.detach() - anchored).sum(-1)
