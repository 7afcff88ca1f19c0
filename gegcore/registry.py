"""Finds what a profile or a command names, so that gegcore need not know who wrote it.

A name is one of gegcore's own, one that an installed package announces as an entry point of the
group `gegcore.<kind>` (`[project.entry-points."gegcore.dataset"]`), or `package.module:object`.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from types import MappingProxyType
from typing import Any

from gegcore.errors import ConfigError, MissingDependencyError, nearest

_NONE: Mapping[str, Any] = MappingProxyType({})


def find(kind: str, name: str, own: Mapping[str, Any] = _NONE) -> Any:
    """The object that a name stands for.

    Args:
        kind: "captioner", "clip", "dataset", "extractor", "judge", "metric" or "reward".
        name: as above; modules are also looked for in the working directory.
        own: what gegcore itself has.

    Raises:
        ConfigError: there is no such name, module or object.
        MissingDependencyError: the module needs a package that is not installed.
    """
    if name in own:
        return own[name]
    if ":" in name:
        return _imported(kind, name)
    announced = {entry.name: entry for entry in _announced(kind)}
    if name in announced:
        return _imported(kind, announced[name].value)
    known = [*own, *announced]
    listed = f"there are: {', '.join(known)}; or " if known else ""
    raise ConfigError(
        f"unknown {kind} '{name}'", f"{nearest(name, known)}{listed}give package.module:object"
    )


def learner(kind: str, name: str) -> Any:
    """Of what a profile's data or settings decide: the function (`Materials`) -> object; else None.

    Such a function says so by an attribute `learns`.
    """
    found = find(kind, name) if ":" in name or name in names(kind) else None
    return found if getattr(found, "learns", False) else None


def names(kind: str, own: Mapping[str, Any] = _NONE) -> list[str]:
    """All short names of a kind: gegcore's own, then those of installed packages."""
    return [*own, *(entry.name for entry in _announced(kind) if entry.name not in own)]


def module(name: str, kind: str = "") -> str:
    """The module of `package.module:object` or of a name that a package announces; "" of others."""
    _look_in_working_directory()
    entries = {} if ":" in name else {entry.name: entry.value for entry in _announced(kind)}
    return entries.get(name, name if ":" in name else "").partition(":")[0]


def file_name(name: str) -> str:
    """A name as a part of a file's name: `package.module:object` has a colon, which some refuse."""
    return name.replace(":", ".")


def _look_in_working_directory() -> None:
    if os.getcwd() not in sys.path and "" not in sys.path:  # as `python -m` has it
        sys.path.append(os.getcwd())


@cache  # it reads all that is installed; what comes meanwhile counts from the next process
def entry_points(group: str) -> EntryPoints:
    return metadata.entry_points(group=group)


def _announced(kind: str) -> list[EntryPoint]:
    return sorted(entry_points(group=f"gegcore.{kind}"), key=lambda entry: entry.name)


def _imported(kind: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not re.fullmatch(r"(\w[\w.]*)?(:[\w.]*)?", name):  # File names are made of it.
        raise ConfigError(f"{kind} {name!r} is no package.module:object", "check its spelling")
    _look_in_working_directory()
    try:
        found = importlib.import_module(module)
        for part in filter(None, attribute.split(".")):  # none: the module itself, of a command
            found = getattr(found, part)
        return found
    except (ModuleNotFoundError, ValueError, AttributeError) as error:
        absent = getattr(error, "name", None) or ""
        if isinstance(error, ModuleNotFoundError) and not f"{module}.".startswith(f"{absent}."):
            raise MissingDependencyError(
                f"{kind} '{name}' needs the package {absent}, which is not installed",
                f"pip install {absent}",
            ) from error
        raise ConfigError(
            f"{kind} '{name}' cannot be found: {error}", "check its module and its name"
        ) from error
