"""A checkpoint of X-modaler as the run that further training starts from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from gegcore.data.vocabulary import Vocabulary
from gegcore.errors import ConfigError, DataError, some
from gegcore.experiment.keys import import_key, training_key
from gegcore.experiment.train import FILES
from gegcore.experiment.validation import Validator
from gegcore.interop.xmodaler import Checkpoint, read_xmodaler
from gegcore.materials import Materials
from gegcore.models.registry import canonical, resolve_config
from gegcore.profiles import Profile
from gegcore.provenance import environment
from gegcore.runs import TRAINED, RunFolder
from gegcore.storage import save_safetensors, sha256_file, write_text

STAGES = ("mle", "scst")
"""What X-modaler publishes checkpoints of: GEG goes on from the second."""


def import_xmodaler(
    profile: Profile,
    checkpoint: Path | str,
    vocabulary: Path | str,
    model: str,
    objective: str = "mle",
    seed: int = 1,
    settings: Mapping[str, Any] | None = None,
    device: str | torch.device | None = None,
    materials: Materials | None = None,
) -> RunFolder:
    """Make the MLE or the +SCST run of a profile from a checkpoint, without training.

    `gegcore run` with the same model and seed starts from it: `--objective scst` from that of MLE,
    `--objective scst_geg` from that of +SCST, for which no other run is needed. Its own objective
    evaluates it. It is never trained over: where it no longer fits the profile, that is an error.

    Args:
        profile: whose data SCST will train on.
        checkpoint: a file that `load_xmodaler` reads.
        vocabulary: X-modaler's `vocabulary.txt`: the word on line n has id n.
        model: a name in `gegcore.models.ARCHITECTURES`.
        objective: one of `STAGES`, what the checkpoint was trained with.
        seed: of the run folder.
        settings: fields of the model's config that the checkpoint's shapes do not tell.
        device: default: the first GPU, else the CPU.
        materials: to share opened data between several calls.

    Raises:
        ConfigError: an unknown model or field, or a value out of range.
        DataError: the run exists; the checkpoint cannot be loaded; its vocabulary, feature widths
            or sizes are not those of the profile.
    """
    if objective not in STAGES:
        raise ConfigError(f"no import as {objective}", f"use one of: {', '.join(STAGES)}")
    model = canonical(model)
    run = profile.run(model, objective, seed)
    if run.path.exists():
        raise DataError(
            f"run {run.name} exists already: {run.path}", "move it away, or give another --seed"
        )
    stored = read_xmodaler(checkpoint, model, **(settings or {}))
    words = Vocabulary.read(vocabulary).words
    known = stored.captioner.vocab_size
    if known != len(words) + 1:
        raise DataError(
            f"{checkpoint} knows {known} ids, but {vocabulary} lists {len(words)} words "
            "(the end token is one id more)",
            "give the vocabulary.txt that the checkpoint was trained with",
        )
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    materials = materials or Materials.of(profile, chosen)
    _check_words(words, vocabulary, materials.vocabulary, profile)
    _check_widths(stored, materials)
    _check_settings(stored, profile, model)
    stored.captioner.to(materials.device)
    _write(run, materials, stored, (model, objective, seed), [Path(checkpoint), Path(vocabulary)])
    return run


def _check_words(
    words: Sequence[str], path: Path | str, vocabulary: Vocabulary, profile: Profile
) -> None:
    theirs = {word: i for i, word in enumerate(words, 1)}
    ours = {word: i for i, word in enumerate(vocabulary.words, 1)}
    moved = [
        f"{word} ({theirs[word]}, not {i})" for word, i in ours.items() if theirs.get(word, i) != i
    ]
    kinds = {
        "missing": [word for word in ours if word not in theirs],
        "not in the profile's": [word for word in theirs if word not in ours],
        "in another place": moved,
    }
    said = "; ".join(f"{kind}: {some(found)}" for kind, found in kinds.items() if found)
    if said:
        raise DataError(
            f"the checkpoint's vocabulary is not that of profile '{profile.name}': {said}",
            f"set vocabulary: {path} in the profile: ids must mean the same words",
        )


def _check_widths(stored: Checkpoint, materials: Materials) -> None:
    given = asdict(materials.features["train"].sizes)
    wrong = [
        f"{name}: {width} in the checkpoint, {given[name] or 'none'} in the data"
        for name, width in asdict(stored.inputs).items()
        if width and width != given[name]
    ]
    if wrong:
        raise DataError(
            f"the features of profile '{materials.profile.name}' are not those that the checkpoint "
            f"was trained on: {'; '.join(wrong)}",
            "compute the profile's features with the checkpoint's extractor",
        )


def _check_settings(stored: Checkpoint, profile: Profile, model: str) -> None:
    """Dropout and the length of the position table are no part of the weights."""
    theirs = stored.config.model_dump()
    ours = resolve_config(model, **profile.sizes(model)).model_dump()
    differ = {
        name: value
        for name, value in theirs.items()
        if value != ours[name] and not name.endswith("dropout") and name != "max_positions"
    }
    if differ:
        said = "; ".join(f"{name}: {value}, not {ours[name]}" for name, value in differ.items())
        fields = ", ".join(f"{name}: {value}" for name, value in differ.items())
        raise DataError(
            f"the checkpoint's {model} is not that of profile '{profile.name}': {said}",
            f"set models: {{{model}: {{{fields}}}}} in the profile; or, where the checkpoint's "
            "shapes do not tell a value (heads), give it by --set",
        )


def _write(
    run: RunFolder,
    materials: Materials,
    stored: Checkpoint,
    name: tuple[str, str, int],
    sources: Sequence[Path],
) -> None:
    """The folder appears complete or not at all."""
    (model, objective, seed), profile = name, materials.profile
    config = profile.objective(objective, model)
    imported = {path.name: sha256_file(path) for path in sources}
    resolved = {
        "profile": profile.model_dump(mode="json"),
        "model": model,
        "objective": {"name": objective, **config.model_dump(mode="json")},
        "seed": seed,
        "imported": imported,
    }
    record = {
        "key": training_key(materials, model, objective, seed, None),
        "steps": 0,
        "best_epoch": 0,
        "seconds": 0.0,
        "history": [{"epoch": 0, "step": 0, **Validator(materials)(stored.captioner)}],
        "environment": environment(),
        "imported": imported,
        "import_key": import_key(materials, model),
    }
    run.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=run.path.parent, prefix=".import.") as folder:
        fresh = RunFolder(Path(folder) / run.name)
        write_text(fresh.file("config.yaml"), yaml.safe_dump(resolved, sort_keys=False))
        write_text(fresh.file("log.csv"), "step,epoch,loss\n")
        save_safetensors(fresh.checkpoint, stored.captioner.state_dict(), {"model": model})
        fresh.write_record(TRAINED, record, FILES)
        fresh.path.rename(run.path)
