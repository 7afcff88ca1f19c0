"""One experiment: data x model x objective x seed -> a run folder. Everything is wired here."""

from __future__ import annotations

import inspect

import torch

from gegcore.experiment.testing import evaluate
from gegcore.experiment.train import train
from gegcore.materials import Materials
from gegcore.profiles import Profile
from gegcore.rewards.reward import Reward
from gegcore.runs import RunFolder
from gegcore.storage import digest
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
    reward: Reward | None = None,
    again: bool = False,
) -> RunFolder:
    """Train one model with one objective and evaluate it on the test split.

    A finished run is returned at once, also where code has changed since, which is said then; an
    interrupted one resumes; one whose data have changed is set aside (`<run>.old1`) and trained
    anew. Other settings have a folder of their own. Launched as several processes, it trains with
    all of them.

    Args:
        model: a name in `gegcore.models.ARCHITECTURES`, or `package.module:Class`.
        objective: a name in `gegcore.training.config.OBJECTIVES`; what it starts from must have
            been run before.
        seed: of initialisation, data order, dropout and sampling.
        device, precision: see `start_accelerator`.
        materials: to share opened data between several runs of one process.
        reward: instead of the objective's: `(tokens (B, S, T), image_index (B,)) -> (B, S)`. The
            run gets a folder of its own, by its code and the numbers and words that it uses.
        again: train anew what older code made, or what is damaged; the old run is set aside.

    Raises:
        ConfigError: unknown model, objective, field or precision.
        DataError: the run to start from is not finished.
        ChecksumError: files of a finished run are missing or damaged.
        TrainingError: training broke down.
        TrainingInterrupted: training was asked to stop, and has saved its state.
    """
    accelerator = start_accelerator(materials.device if materials else device, precision)
    materials = materials or Materials.of(profile, accelerator.device)
    own = {} if reward is None else {_name(reward): reward}
    if own:
        profile = profile.changed(model, objective, rewards=dict.fromkeys(own, 1.0))
    materials = materials.under(profile)
    run = train(materials, model, objective, seed, accelerator, own, again)
    if accelerator.is_main_process:
        evaluate(materials, run, model)
    accelerator.wait_for_everyone()
    return run


def _name(reward: Reward) -> str:
    """A name that changes with the reward's code and the numbers and words that it uses."""
    function = inspect.isfunction(reward)
    said = getattr(reward, "__qualname__", type(reward).__qualname__)
    try:
        code = inspect.getsource(reward if function else type(reward))
    except (OSError, TypeError):  # typed into an interpreter that keeps no source
        code = repr(reward)
    used = getattr(reward, "__dict__", {})
    if function:
        found = inspect.getclosurevars(reward)
        used = {**found.globals, **found.nonlocals}
    plain = {k: v for k, v in used.items() if isinstance(v, bool | int | float | str)}
    return f"{said}-{digest([code, plain])[:8]}"
