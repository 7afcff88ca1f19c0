"""One experiment: data x model x objective x seed -> a run folder. Everything is wired here."""

from __future__ import annotations

import torch

from gegcore.experiment.evaluate import evaluate
from gegcore.experiment.train import train
from gegcore.prepare import Materials
from gegcore.profiles import Profile
from gegcore.runs import RunFolder

__all__ = ["evaluate", "run_experiment", "train"]


def run_experiment(
    profile: Profile,
    model: str,
    objective: str,
    seed: int,
    device: str | torch.device | None = None,
    materials: Materials | None = None,
) -> RunFolder:
    """Train one model with one objective and evaluate it on the test split.

    A finished run is returned at once; an interrupted one resumes; one whose configuration, data
    or code has changed starts over.

    Args:
        profile: see `load_profile`.
        model: a name in `gegcore.models.ARCHITECTURES`.
        objective: a name in `gegcore.training.config.OBJECTIVES`; what it starts from must have
            been run before.
        seed: of initialisation, data order, dropout and sampling.
        device: default: the first GPU, else the CPU.
        materials: to share opened data between several runs of one process.

    Raises:
        ConfigError: unknown model, objective or field.
        DataError: the run to start from is not finished.
        TrainingError: training broke down.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    materials = materials or Materials.of(profile, chosen)
    run = train(materials, model, objective, seed)
    return evaluate(materials, run, model)
