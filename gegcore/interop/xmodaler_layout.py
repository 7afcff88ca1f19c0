"""What the models' ``xmodaler_keys`` and ``xmodaler_sizes`` share: names in a state_dict."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def weight_and_bias(modules: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """From names of modules (Linear, LayerNorm) to the names of their two tensors each."""
    return {
        f"{ours}.{kind}": tuple(f"{name}.{kind}" for name in theirs)
        for ours, theirs in modules.items()
        for kind in ("weight", "bias")
    }


def layer_count(shapes: Mapping[str, torch.Size], prefix: str) -> int:
    """How many layers a state_dict has below e.g. ``"encoder.layers."``."""
    below = (key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix))
    return len({index for index in below if index.isdigit()})
