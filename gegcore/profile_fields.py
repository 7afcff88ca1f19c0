"""Fields of a profile before they are checked: read, captioners by one name, files over files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gegcore.errors import ConfigError
from gegcore.models.registry import canonical

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
