"""A loss of one's own: SCST that is also paid for staying undecided (an entropy bonus).

    objectives:
      bold: {loss: "examples.loss:EntropyBonus", loss_settings: {weight: 0.05}, start_from: mle}

in a profile, then `gegcore run --profile mine.yaml --objective bold`.
"""

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gegcore.experiment.objective import LossInputs
from gegcore.training.objectives import Sampled, SelfCriticalObjective


class EntropyBonus(SelfCriticalObjective):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")

        weight: float = Field(0.01, ge=0, description="of a nat per word")

    def __init__(self, inputs: LossInputs, config: Config) -> None:
        super().__init__(**inputs.self_critical())
        self.weight = config.weight

    def loss(self, step: Sampled) -> Tensor:
        """Minus the entropy has this gradient: log p of what was drawn, times its own value."""
        surprise = step.log_probs.detach() * step.log_probs
        return super().loss(step) + self.weight * surprise.sum()
