"""Training half of an experiment: from prepared materials to `checkpoint.safetensors`."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import yaml
from safetensors.torch import load_file

from gegcore.errors import DataError, some, writing
from gegcore.experiment.keys import changes, import_key, training_key
from gegcore.experiment.objective import build_objective
from gegcore.experiment.validation import Validator
from gegcore.materials import STAGES, Materials
from gegcore.models.captioner import Captioner
from gegcore.models.registry import architecture, build_captioner, canonical
from gegcore.profiles import Profile
from gegcore.provenance import environment
from gegcore.rewards.reward import Reward
from gegcore.runs import EVALUATED, STARTED, TRAINED, RunFolder
from gegcore.storage import save_safetensors, write_text
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import start_accelerator
from gegcore.training.loop import Trainer

if TYPE_CHECKING:
    from accelerate import Accelerator

FILES = ("checkpoint.safetensors", "config.yaml", "log.csv", "samples.jsonl")
"""What training leaves in a run folder, beside its record."""


def train(
    materials: Materials,
    model_name: str,
    objective_name: str,
    seed: int,
    accelerator: Accelerator | None = None,
    own: Mapping[str, Reward] = MappingProxyType({}),
    again: bool = False,
) -> RunFolder:
    """Train and store the selected checkpoint; nothing to do if it is there and current.

    Errors are those of `run_experiment`.

    Args:
        materials: opened on the accelerator's device.
        accelerator: see `start_accelerator`; default: the materials' device, full precision.
        own: rewards of the objective that have no importable name.
        again: train anew what older code made, or what is damaged; the old run is set aside.
    """
    profile = materials.profile
    architecture(model_name := canonical(model_name))
    config = profile.objective(objective_name, model_name)
    run = profile.run(model_name, objective_name, seed)
    accelerator = accelerator or start_accelerator(materials.device)
    if accelerator.num_processes > 1:  # the main process makes what is missing, the others map it
        with accelerator.main_process_first():
            for stage in STAGES:
                materials.make(stage)
    start = start_run(profile, model_name, config, seed)
    key = training_key(materials, model_name, objective_name, seed, start, own)
    if _is_done(run, materials, model_name, key, again):
        return run
    with run.alone() if accelerator.is_main_process else nullcontext():
        accelerator.wait_for_everyone()  # until the main process has the run for itself
        if _is_done(run, materials, model_name, key, again):  # by a process that we waited for
            return run
        # What cannot be built leaves no folder behind, whose name would be taken.
        model, validator = new_captioner(materials, model_name, seed), Validator(materials)
        if start is not None:
            model.load_state_dict(load_file(start.checkpoint))
        objective = build_objective(materials, config, own, model)
        accelerator.wait_for_everyone()  # until all have read what the main process now changes
        if accelerator.is_main_process:
            _make_way(run, key)
            _write_settings(run, profile, model_name, objective_name, seed)
        accelerator.wait_for_everyone()
        images, numbers = len(materials.data["train"].records), stage_seed(seed, objective_name)
        trainer = Trainer(
            model, objective, config, images, numbers, validator, run.path,
            lambda: validator.captions, accelerator,
        )  # fmt: skip
        trainer.fit()
        if accelerator.is_main_process:
            _finish(run, model_name, key, trainer)
        accelerator.wait_for_everyone()
    return run


def _write_settings(
    run: RunFolder, profile: Profile, model: str, objective: str, seed: int
) -> None:
    """`config.yaml`: all that decides a run, with every default."""
    config = profile.objective(objective, model).model_dump(mode="json")
    settings: dict[str, Any] = {"profile": profile.model_dump(mode="json"), "model": model}
    settings |= {"objective": {"name": objective, **config}, "seed": seed}
    write_text(run.file("config.yaml"), yaml.safe_dump(settings, sort_keys=False))


def _finish(run: RunFolder, model_name: str, key: dict[str, Any], trainer: Trainer) -> None:
    """Store the selected weights and the record of training; the state to resume from goes."""
    progress = trainer.progress
    save_safetensors(run.checkpoint, trainer.model.state_dict(), {"model": model_name})
    record = {"key": key, "steps": progress.step, "best_epoch": progress.best_epoch}
    record |= {"ended": trainer.ended, "environment": environment()}
    record |= {"seconds": round(progress.seconds, 1), "sittings": progress.sittings}
    run.write_record(TRAINED, {**record, "history": progress.history}, FILES)
    shutil.rmtree(run.file("state"), ignore_errors=True)


def stage_seed(seed: int, objective_name: str) -> int:
    """Seed of a stage's random numbers: a stage must not repeat those of the one it starts from.

    24 bits: the trainer counts steps, streams and processes in the bits above and below.
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {objective_name}".encode()).digest()[:3], "big")


def new_captioner(materials: Materials, model_name: str, seed: int) -> Captioner:
    """A captioner of the profile's size with seeded random weights, on the materials' device."""
    torch.manual_seed(seed)
    sizes = materials.profile.sizes(model_name)
    inputs = materials.features["train"].sizes
    model = build_captioner(model_name, len(materials.vocabulary), inputs, **sizes)
    return model.to(materials.device)


def before(profile: Profile) -> Profile:
    """Changed settings are those of one run: what it starts from is the profile's own."""
    return profile.model_copy(update={"variant": ""})


def missing_stages(profile: Profile, model: str, objective: str, seed: int) -> list[str]:
    """What has to be trained before an objective, first to last.

    What comes before a trained run is not needed: an imported one has nothing before it.
    """
    own, missing = before(profile), list[str]()
    for name in reversed(profile.stages(objective, model)[:-1]):
        if own.run(model, name, seed).file(TRAINED).is_file():
            break
        missing.insert(0, name)
    return missing


def run_command(profile: Profile, model: str, objective: str, seed: int | str) -> str:
    """The command line that makes a run."""
    names = f"--profile {profile.name} --model {model} --objective {objective} --seed {seed}"
    return f"gegcore run {names}"


def start_run(
    profile: Profile, model_name: str, config: ObjectiveConfig, seed: int
) -> RunFolder | None:
    """The run that an objective starts from, if from any.

    Raises:
        DataError: it is not finished.
        ChecksumError: files of it are missing or damaged.
    """
    if config.start_from is None:
        return None
    start = before(profile).run(model_name, config.start_from, seed)
    if not start.file(TRAINED).is_file():
        what = f"{config.label} starts from run {start.name}, which is not finished"
        command = run_command(profile, model_name, config.start_from, seed)
        raise DataError(what, f"first run `{command}`")
    start.check(TRAINED)
    return start


def _is_done(
    run: RunFolder, materials: Materials, model_name: str, key: dict[str, Any], again: bool
) -> bool:
    """Whether a finished run stands as it is, of older code perhaps, which is said then.

    Raises:
        ChecksumError: files of it are missing or damaged.
        DataError: it was imported for another vocabulary, model size or features.
    """
    if not run.file(TRAINED).exists() and not run.file(EVALUATED).exists():
        return False
    if again and run.damaged(TRAINED):
        return False
    run.check(TRAINED)
    record = run.training()
    if "imported" in record:
        if record["import_key"] != import_key(materials, model_name):
            raise DataError(
                f"run {run.name} was imported for another vocabulary, model size or features",
                f"move {run.path} away to train it here, or import it again",
            )
        return True
    changed = changes(record["key"], key)
    of_code = [name for name in changed if name.startswith(("code ", "start"))]
    if changed != of_code or (changed and again):
        return False
    if changed:
        kept = f"{run.name}: kept as older code made it; changed since: {some(changed)}"
        _say(f"{kept}; `gegcore run ... --again` trains it anew and keeps this one beside it")
    return True


def _make_way(run: RunFolder, key: dict[str, Any]) -> None:
    """Keep the resume state of a run of this very key; set anything else aside."""
    if run.made_from(STARTED) == key:
        return
    if run.path.exists() and any(run.path.iterdir()):
        before = run.made_from(STARTED) or run.made_from(TRAINED)
        changed = some(changes(before, key)) if before else "its record is damaged"
        _say(f"{run.name}: not as now ({changed}); kept in {set_aside(run)}, trained anew")
    run.write_record(STARTED, {"key": key}, ())


def set_aside(run: RunFolder) -> Path:
    """Rename a run's folder to `<run>.old1`, or the next number that is free; the new path."""
    places = (run.path.with_name(f"{run.name}.old{number}") for number in count(1))
    aside = next(place for place in places if not place.exists())
    with writing(run.path):
        return run.path.rename(aside)


def _say(text: str) -> None:
    """On stderr, once for all processes of a launch."""
    from accelerate import PartialState

    if PartialState().is_main_process:
        print(text, file=sys.stderr)
