"""Fields of a profile: read, files over files, and whether what they say fits together."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from gegcore import registry
from gegcore.data.dataset import SPLITS
from gegcore.errors import ConfigError, MissingDependencyError, nearest
from gegcore.models.registry import architecture, canonical
from gegcore.rewards.registry import REWARDS
from gegcore.training.config import wrong_field

if TYPE_CHECKING:
    from gegcore.profiles import Profile

_GRIDS = ("experiments", "ablations")
_BY_CAPTIONER = ("models", "objectives_by_model", "by_model")
"""Lists of captioners, or settings by captioner."""


def read_fields(path: Path) -> dict[str, Any]:
    """What a profile's file says, and no other that it extends, by canonical names.

    Raises:
        ConfigError: it is no YAML or holds no fields, or as `by_canonical_name`.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path.name} is not valid YAML: {error}", "mend the file") from error
    if not isinstance(fields, dict):
        raise ConfigError(f"{path.name} holds no fields", "write it as `field: value`")
    return by_canonical_name(fields, path.name)


def by_canonical_name(fields: dict[str, Any], where: str) -> dict[str, Any]:
    """The fields with every captioner called as in `ARCHITECTURES`: m2 is meshed_memory.

    Args:
        where: what the fields are from, for the error.

    Raises:
        ConfigError: settings of a captioner under two of its names.
    """
    result = dict(fields)
    for key, value in fields.items():
        if key in _GRIDS and isinstance(value, dict):
            result[key] = by_canonical_name(value, where)
        elif key in _BY_CAPTIONER and isinstance(value, dict):
            result[key] = _renamed(value, f"{where}, field '{key}'")
        elif key in _BY_CAPTIONER and isinstance(value, list | tuple):
            result[key] = [canonical(x) if isinstance(x, str) else x for x in value]
    return result


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested fields one by one; lists and values are replaced as a whole."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            # Rewards are one formula: who writes some of its terms means these terms. And another
            # kind of data set has other fields.
            other_kind = value.get("kind", old.get("kind")) != old.get("kind")
            if key != "rewards" and not other_kind:
                value = merged(old, value)
        result[key] = value
    return result


def _renamed(settings: dict[Any, Any], where: str) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for name, value in settings.items():
        one = canonical(name)
        if one in result:
            what = f"{where}: '{one}' is there under two of its names"
            raise ConfigError(what, f"write all of it under '{one}'")
        result[one] = value
    return result


def check_starts(profile: Profile) -> None:
    """ConfigError where a captioner's objective starts from one that is not run for it."""
    grid = profile.experiments
    runs = dict.fromkeys((model, objective) for model, objective, _ in grid.runs())
    for model, name in runs:
        profile.stages(name, model)
        start = profile.objective(name, model).start_from
        if start is None or (model, start) in runs:
            continue
        fix = f"add '{start}' to experiments.objectives"
        if name in grid.by_model.get(model, ()):
            fix = f"add '{start}' to experiments.by_model.{model}"
        elif model not in grid.models and start in grid.objectives:
            fix = f"add '{model}' to experiments.models, or set `ablations: {{models: []}}` there"
        what = f"captioner '{model}': objective '{name}' starts from '{start}', which the profile"
        raise ConfigError(f"{what} does not run for it", fix)


def check_splits(profile: Profile) -> None:
    """ConfigError where a split has no more images than a group."""
    k, data = profile.group_size, profile.data
    for split in SPLITS:
        if k < (images := data.size(split)):
            continue
        fix = f"lower group_size or enlarge data.{split}"
        if images != getattr(data, split, None):  # of photographs this is an upper limit
            where = " (data.held_out, or splits in the file)" if hasattr(data, "held_out") else ""
            fix = f"lower group_size, or give the split more images{where}"
        what = f"groups of K = {k} images need more than the {images} images of the {split} split"
        raise ConfigError(what, fix)


def check_names(profile: Profile, where: str) -> None:
    """See whether there is all that a profile names, before anything is computed.

    What a package announces is not loaded for it, and what that needs may not be installed here.

    Raises:
        ConfigError: an unknown name, a wrong field of a captioner, or a tag that open_clip does not
            have of this CLIP; its text begins with `where`.
    """
    for name, sizes in profile.models.items():
        config = architecture(name).Config
        try:
            config(**sizes)
        except ValidationError as error:
            raise wrong_field(error, f"{where}, models.{name}", "mend it", config) from error
    for field, kind, name, own in _named(profile):
        try:
            if name not in registry.names(kind, own):
                with suppress(MissingDependencyError):
                    registry.find(kind, name, own)
        except ConfigError as error:
            module, _, attribute = name.partition(":")
            near = nearest(attribute, vars(sys.modules.get(module, object)))
            raise _of_field(error, where, field, near) from error
    _check_tag(profile, where)


def _named(profile: Profile) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Field, kind and name of all that `registry.find` finds, and what it knows of that kind."""
    objectives = {f"objectives.{name}": fields for name, fields in profile.objectives.items()}
    for model, own in profile.objectives_by_model.items():
        objectives |= {f"objectives_by_model.{model}.{name}": own[name] for name in own}
    for field, fields in objectives.items():
        for name in fields.get("rewards", ()):
            yield f"{field}.rewards", "reward", name, REWARDS
    for name in profile.metrics:
        yield "metrics", "metric", name, {}
    if profile.data.extractor:
        yield "data.extractor", "extractor", profile.data.extractor, {}
    yield "clip", "clip", profile.clip, _open_clip(profile.clip)
    for label, name in profile.judges.items():
        clips = dict.fromkeys(registry.names("clip"))
        yield f"judges.{label}", "judge", name, clips | _open_clip(name)


def _open_clip(name: str) -> dict[str, Any]:
    """Architectures of open_clip like this name, which nobody announces, or itself."""
    if ":" in name or name in (*registry.names("clip"), *registry.names("judge")):
        return {}
    import open_clip  # seconds that profiles without such a CLIP do not wait

    return dict.fromkeys(get_close_matches(name, open_clip.list_models()))


def _check_tag(profile: Profile, where: str) -> None:
    """Whether open_clip has weights of this tag; a file may lie where this process does not see."""
    name, tag = profile.clip, profile.clip_pretrained or ""
    if not re.fullmatch(r"[\w-]+", tag) or name not in _open_clip(name):
        return
    from open_clip import list_pretrained_tags_by_model

    from gegcore import clip_files

    try:
        clip_files.find(name, tag)
    except ConfigError as error:
        known = list_pretrained_tags_by_model(name)
        near = "" if tag in known else nearest(tag, known)  # it may be of the other activation
        raise _of_field(error, where, "clip_pretrained", near) from error


def _of_field(error: ConfigError, where: str, field: str, near: str) -> ConfigError:
    return ConfigError(f"{where}, field '{field}': {error.what}", near + error.fix)
