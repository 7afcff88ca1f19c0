"""What X-modaler calls the tensors of each captioner: the rules of `xmodaler.yaml`, applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import yaml

from gegcore.errors import ConfigError

Shapes = Mapping[str, torch.Size]


@dataclass(frozen=True)
class Layout:
    """How X-modaler stores one captioner; both tables are described in `xmodaler.yaml`."""

    names: dict[str, str]
    sizes: dict[str, str]

    def theirs(self, ours: str) -> tuple[str, ...]:
        """Their tensors that ours is the concatenation of; its own name where they have none."""
        layer = next((part for part in ours.split(".") if part.isdigit()), "")
        module, rest = ours.replace(f".{layer}.", ".{i}.", 1), ""
        while module not in self.names:
            module, _, last = module.rpartition(".")
            rest = f".{last}{rest}"
            if not module:
                return (ours,)
        head, _, tail = (self.names[module] + rest).replace("{i}", layer).partition("{")
        parts, _, tail = tail.partition("}")
        return tuple(head + part + tail for part in parts.split(","))

    def their_shapes(self, ours: Shapes) -> dict[str, torch.Size]:
        """Their tensors' shapes, of those of ours; the parts of one of ours are equally large."""
        return {
            theirs: torch.Size([*(rows // len(parts) for rows in shape[:1]), *shape[1:]])
            for name, shape in ours.items()
            for parts in [self.theirs(name)]
            for theirs in parts
        }

    def read_sizes(self, theirs: Shapes) -> dict[str, int]:
        """All sizes that the shapes of their tensors tell.

        Raises:
            KeyError: of a tensor that is missing or has too few dimensions.
        """
        read = {}
        for size, where in self.sizes.items():
            tensor, _, dimension = where.partition(" ")
            if not dimension:
                layers = (re.match(rf"{tensor}\.(\d+)\.", name) for name in theirs)
                read[size] = len({layer[1] for layer in layers if layer})
            elif int(dimension) >= len(theirs.get(tensor, ())):
                raise KeyError(tensor)
            else:
                read[size] = theirs[tensor][int(dimension)]
        if "head_width" in read:
            read["heads"] = read["width"] // max(1, read.pop("head_width"))
        return read


@cache
def layouts() -> dict[str, Layout]:
    """By name of the captioner."""
    stored = yaml.safe_load(Path(__file__).with_name("xmodaler.yaml").read_text(encoding="utf-8"))
    return {name: Layout(**tables) for name, tables in stored.items()}


def layout_of(model: str) -> Layout:
    """Raise ConfigError if X-modaler does not have this captioner."""
    if model not in layouts():
        raise ConfigError(
            f"captioner '{model}' cannot be read: how X-modaler stores it is not known",
            f"there are: {', '.join(layouts())}; or describe it in gegcore/interop/xmodaler.yaml",
        )
    return layouts()[model]
