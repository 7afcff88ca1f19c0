"""One experiment: data x model x objective x seed -> a run folder. Everything is wired here."""

from __future__ import annotations

import torch

from gegcore.experiment.evaluate import evaluate
from gegcore.experiment.train import train
from gegcore.prepare import Materials
from gegcore.profiles import Profile
from gegcore.runs import RunFolder
from gegcore.training.distributed import start_accelerator

__all__ = ["evaluate", "run_experiment", "train"]


def run_experiment(
    profile: Profile,
    model: str,
    objective: str,
    seed: int,
    device: str | torch.device | None = None,
    materials: Materials | None = None,
    precision: str | None = None,
) -> RunFolder:
    """Train one model with one objective and evaluate it on the test split.

    A finished run is returned at once; an interrupted one resumes; one whose configuration, data
    or code has changed starts over. Launched as several processes, it trains with all of them.

    Args:
        profile: see `load_profile`.
        model: a name in `gegcore.models.ARCHITECTURES`.
        objective: a name in `gegcore.training.config.OBJECTIVES`; what it starts from must have
            been run before.
        seed: of initialisation, data order, dropout and sampling.
        device: default: this process's GPU if there are any, else the CPU.
        materials: to share opened data between several runs of one process.
        precision: "no", "bf16" or "fp16" mixed precision of training; default: what
            `accelerate launch` was told, else "no".

    Raises:
        ConfigError: unknown model, objective, field or precision.
        DataError: the run to start from is not finished.
        TrainingError: training broke down.
        TrainingInterrupted: training was asked to stop, and has saved its state.
    """
    accelerator = start_accelerator(materials.device if materials else device, precision)
    materials = materials or Materials.of(profile, accelerator.device)
    run = train(materials, model, objective, seed, accelerator)
    if accelerator.is_main_process:
        evaluate(materials, run, model)
    accelerator.wait_for_everyone()
    return run
