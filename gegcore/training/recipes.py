"""How X-modaler trains each of the seven captioners (`recipes.yaml`).

Of +GEG, +ER and GEG-sole the paper gives learning rate and epochs, one for all models (Sec. 4.1),
and no batch size: we take that of the model's SCST recipe. +SCST++ is SCST gone on with (Sec. 4.4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RECIPES: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)
"""Objective (mle, scst) -> model -> fields of `ObjectiveConfig`."""


def recipe(model: str, objective: str) -> dict[str, Any]:
    """What a model's recipe says about an objective: fields of `ObjectiveConfig`.

    Nothing, for a captioner that X-modaler does not have.
    """
    found = RECIPES.get(objective, RECIPES["scst"]).get(model, {})
    if objective in RECIPES:
        return dict(found)
    kept = ["images_per_step", *(["learning_rate"] if objective == "scst_pp" else [])]
    return {name: found[name] for name in kept if found}
