"""Keys of runs: all that decides what training and evaluation make, part by part."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from gegcore import registry
from gegcore.code_digest import code_digests, modules_of
from gegcore.embeddings import encoder_modules
from gegcore.materials import Materials
from gegcore.metrics.inputs import Judged
from gegcore.metrics.java import java_problem
from gegcore.metrics.spice import spice_problem
from gegcore.models.registry import architecture, canonical
from gegcore.profiles import Profile
from gegcore.rewards.registry import REWARDS
from gegcore.runs import TRAINED, RunFolder
from gegcore.training.config import LOSSES
from gegcore.training.own_loss import loss_class

# What makes the inputs, whose content is in the key; and what watches training.
_NO_PART = [
    *("gegcore.data.dataset", "gegcore.embeddings", "gegcore.groups", "gegcore.materials"),
    *("gegcore.experiment.keys", "gegcore.profiles", "gegcore.training.guards"),
    *("gegcore.training.interrupt", "gegcore.training.monitor"),
]
_SEES_PICTURES = [
    *("gegcore.clip", "gegcore.gap", "gegcore.metrics.gaps", "gegcore.metrics.retrieval"),
    "gegcore.rewards.encoder",
    *("gegcore.rewards.group", "gegcore.word_to_bpe"),
]


def training_code(
    profile: Profile, model: str, objective: str, own: Collection[str] = ()
) -> dict[str, str]:
    """Digests of the code that decides the weights of a run, by module.

    Args:
        own: rewards of the objective that have no importable name.
    """
    config = profile.objective(objective, model)
    chosen = {f"captioner {canonical(model)}": architecture(model)}
    for name in config.rewards.keys() - {*own}:
        chosen[f"reward {name}"] = registry.find("reward", name, REWARDS)
    if config.loss not in LOSSES:
        chosen[f"loss {config.loss}"] = loss_class(config.loss)
    modules = ["gegcore.experiment.train", *modules_of(*chosen.values())]
    without = list(_NO_PART)
    if not config.sees_pictures:
        without += _SEES_PICTURES
    elif clip := registry.module(profile.clip, "clip"):
        modules.append(clip)
    digests = code_digests(*modules, without=without)
    return digests | {name: _place(found) for name, found in chosen.items()}


def training_key(
    materials: Materials,
    model: str,
    objective: str,
    seed: int,
    start: RunFolder | None,
    own: Collection[str] = (),
) -> dict[str, Any]:
    """What decides the weights of a run: settings, inputs, code, and the run it starts from."""
    profile = materials.profile
    sees_pictures = profile.objective(objective, model).sees_pictures
    began = (start.record(TRAINED) or {}).get("files", {}) if start else {}
    return _plain(
        settings=profile.settings(model, objective),
        seed=seed,
        inputs=materials.digests("train", "val", clip=sees_pictures),
        start=began.get("checkpoint.safetensors"),
        code=training_code(profile, model, objective, own),
    )


def evaluation_key(
    materials: Materials, run: RunFolder, model: str, judges: dict[str, Judged]
) -> dict[str, Any]:
    """What decides the scores of a trained run."""
    profile, training = materials.profile, run.training()
    seen = {label: [judge.digest, table.digest] for label, (judge, table) in judges.items()}
    chosen = architecture(model), *(registry.find("metric", name) for name in profile.metrics)
    modules = ["gegcore.experiment.testing", *modules_of(*chosen)]
    for encoder in (materials.clip, *(judge for judge, _ in judges.values())):
        modules += encoder_modules(encoder)
    return _plain(
        settings=training["key"]["settings"],
        checkpoint=training["files"]["checkpoint.safetensors"],
        scores=profile.model_dump(include={"group_size", "metrics", "resamples", "beams"}),
        programs={"Java": java_problem() is None, "SPICE": spice_problem() is None},
        inputs={**materials.digests("test"), "judges": seen},
        code=code_digests(*modules, without=["gegcore.experiment.train", *_NO_PART]),
    )


def code_changes(run: RunFolder, profile: Profile, model: str, objective: str) -> list[str]:
    """Modules that have changed since a run was trained; nothing of an imported one."""
    record = run.record(TRAINED) or {}
    if "imported" in record or not isinstance(record.get("key"), dict):
        return []
    return changes(record["key"]["code"], training_code(profile, model, objective))


def import_key(materials: Materials, model: str) -> dict[str, Any]:
    """All that a checkpoint from elsewhere must fit: no code, for none made it."""
    profile = materials.profile
    return _plain(
        model=[canonical(model), profile.sizes(model)],
        max_len=profile.max_len,
        vocabulary=materials.vocabulary.digest,
        inputs=vars(materials.features["train"].sizes),
    )


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Parts of a key that are not as before: "code gegcore.gap", "inputs features train"."""
    first, second = dict(_parts(before)), dict(_parts(now))
    names = sorted(first.keys() | second.keys())
    return [name for name in names if first.get(name) != second.get(name)]


def _parts(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, part in value.items():
        yield from _parts(part, f"{name} {key}".strip())


def _plain(**parts: Any) -> dict[str, Any]:
    """As it comes back from a JSON file."""
    return dict(json.loads(json.dumps(parts)))


def _place(found: Any) -> str:
    return f"{getattr(found, '__module__', '')}:{getattr(found, '__qualname__', found)}"
