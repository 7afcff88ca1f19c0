"""Training half of an experiment: from prepared materials to `checkpoint.safetensors`."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
import yaml
from safetensors.torch import load_file

from gegcore import registry
from gegcore.errors import DataError
from gegcore.experiment.objective import build_objective
from gegcore.experiment.validation import Validator
from gegcore.materials import STAGES, Materials
from gegcore.models.captioner import Captioner
from gegcore.models.registry import architecture, build_captioner
from gegcore.profiles import Profile
from gegcore.provenance import code_digest, environment
from gegcore.rewards.reward import Reward
from gegcore.runs import RunFolder
from gegcore.storage import digest, read_json, save_safetensors, sha256_file, write_json, write_text
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import start_accelerator
from gegcore.training.loop import Trainer

if TYPE_CHECKING:
    from accelerate import Accelerator


def train(
    materials: Materials,
    model_name: str,
    objective_name: str,
    seed: int,
    accelerator: Accelerator | None = None,
    own: Mapping[str, Reward] = MappingProxyType({}),
) -> RunFolder:
    """Train and store the selected checkpoint; nothing to do if it is there and current.

    Errors are those of `run_experiment`.

    Args:
        materials: opened on the accelerator's device.
        accelerator: see `start_accelerator`; default: the materials' device, full precision.
        own: rewards of the objective that have no importable name.
    """
    profile = materials.profile
    architecture(model_name)
    config = profile.objective(objective_name, model_name)
    run = RunFolder.of(profile.name, model_name, objective_name, seed, profile.variant)
    accelerator = accelerator or start_accelerator(materials.device)
    if accelerator.num_processes > 1:  # the main process makes what is missing, the others map it
        with accelerator.main_process_first():
            for stage in STAGES:
                materials.make(stage)
    start = start_run(profile, model_name, config, seed)
    key = training_key(materials, model_name, objective_name, config, seed, start)
    current = run.made_from("training.json") == key and run.checkpoint.is_file()
    if current or _imported(run, materials, model_name):
        return run
    accelerator.wait_for_everyone()  # until all have read what the main process now changes
    if accelerator.is_main_process:
        _clear_stale(run, key)
        resolved = {
            "profile": profile.model_dump(mode="json"),
            "model": model_name,
            "objective": {"name": objective_name, **config.model_dump(mode="json")},
            "seed": seed,
        }
        write_text(run.file("config.yaml"), yaml.safe_dump(resolved, sort_keys=False))
    accelerator.wait_for_everyone()

    model, validator = new_captioner(materials, model_name, seed), Validator(materials)
    if start is not None:
        model.load_state_dict(load_file(start.checkpoint))
    trainer = Trainer(
        model,
        build_objective(materials, config, own),
        config,
        len(materials.data["train"].records),
        stage_seed(seed, objective_name),
        validator,
        run.path,
        lambda: validator.captions,
        accelerator,
    )
    progress = trainer.fit()
    if accelerator.is_main_process:
        save_safetensors(run.checkpoint, model.state_dict(), {"model": model_name})
        record = {"key": key, "steps": progress.step, "best_epoch": progress.best_epoch}
        record |= {"seconds": round(progress.seconds, 1), "sittings": progress.sittings}
        record |= {"history": progress.history, "environment": environment()}
        write_json(run.file("training.json"), record)
        shutil.rmtree(run.file("state"))
    accelerator.wait_for_everyone()
    return run


def stage_seed(seed: int, objective_name: str) -> int:
    """Seed of a stage's random numbers: a stage must not repeat those of the one it starts from.

    24 bits: the trainer counts steps, streams and processes in the bits above and below.
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {objective_name}".encode()).digest()[:3], "big")


def new_captioner(materials: Materials, model_name: str, seed: int) -> Captioner:
    """A captioner of the profile's size with seeded random weights, on the materials' device."""
    torch.manual_seed(seed)
    sizes = materials.profile.models.get(model_name, {})
    inputs = materials.features["train"].sizes
    model = build_captioner(model_name, len(materials.vocabulary), inputs, **sizes)
    return model.to(materials.device)


def training_key(
    materials: Materials,
    model_name: str,
    objective_name: str,
    config: ObjectiveConfig,
    seed: int,
    start: RunFolder | None,
) -> str:
    """Digest of all that decides what training makes: when it changes, the run is stale."""
    profile = materials.profile
    # Somebody else's captioner and rewards are code of this run, too.
    named = [("captioner", model_name), *(("reward", name) for name in config.rewards)]
    modules = filter(None, (registry.module(name, kind) for kind, name in named))
    return digest(
        {
            "model": [model_name, profile.models.get(model_name, {})],
            "objective": [objective_name, config.decisive()],
            "seed": seed,
            "max_len": profile.max_len,
            "materials": materials.digest(),
            "start": sha256_file(start.checkpoint) if start else None,
            "code": code_digest("gegcore.experiment.train", *modules),
        }
    )


def import_key(materials: Materials, model_name: str) -> str:
    """Digest of all that a checkpoint from elsewhere must fit: no code, for none made it."""
    profile = materials.profile
    return digest(
        {
            "model": [model_name, profile.models.get(model_name, {})],
            "max_len": profile.max_len,
            "vocabulary": materials.vocabulary.digest,
            "inputs": vars(materials.features["train"].sizes),
        }
    )


def _imported(run: RunFolder, materials: Materials, model_name: str) -> bool:
    """Whether the run is a checkpoint from elsewhere, which no training could bring back.

    DataError where it is, and the profile has changed so that it no longer fits.
    """
    record = run.file("training.json")
    if not record.is_file() or "imported" not in (stored := read_json(record)):
        return False
    if stored["import_key"] != import_key(materials, model_name):
        raise DataError(
            f"run {run.name} was imported for another vocabulary, model size or features",
            f"delete {run.path} to train it here, or import it again",
        )
    return True


def start_run(
    profile: Profile, model_name: str, config: ObjectiveConfig, seed: int
) -> RunFolder | None:
    """The run that an objective starts from, if from any; DataError where it is not finished."""
    if config.start_from is None:
        return None
    start = RunFolder.of(profile.name, model_name, config.start_from, seed)
    if not start.checkpoint.is_file():
        what = f"{config.label} starts from run {start.name}, which has no checkpoint"
        raise DataError(what, f"run objective '{config.start_from}' with seed {seed} first")
    return start


def _clear_stale(run: RunFolder, key: str) -> None:
    """Keep the resume state of an interrupted run of this very key; set a finished run aside."""
    marker = run.file("state/key.json")
    if marker.is_file() and read_json(marker)["key"] == key:
        return
    if run.file("training.json").is_file():
        places = (run.path.with_name(f"{run.name}.old{number}") for number in count(1))
        aside = next(place for place in places if not place.exists())
        run.path.rename(aside)
        what = f"{run.name}: made by other settings, data or code; kept in {aside}, trained anew"
        print(what, file=sys.stderr)
    else:
        shutil.rmtree(run.path, ignore_errors=True)
    write_json(marker, {"key": key})
