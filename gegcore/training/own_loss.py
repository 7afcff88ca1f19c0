"""Losses of one's own: what a profile names by `loss: package.module:Class`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from gegcore import registry
from gegcore.errors import ConfigError
from gegcore.training.config import LOSSES, ObjectiveConfig, wrong_field


def loss_class(name: str) -> Any:
    """The class of that name: constructed with `LossInputs` and its own `Config`.

    Raises:
        ConfigError: there is none, or it is no class with a Config.
    """
    found = registry.find("loss", name, dict.fromkeys(LOSSES))
    if not (isinstance(found, type) and hasattr(found, "Config")):
        raise ConfigError(
            f"loss '{name}' is no class with a Config",
            "derive it from CrossEntropyObjective or SelfCriticalObjective, or write an Objective",
        )
    return found


def loss_settings(config: ObjectiveConfig) -> BaseModel:
    """The `loss_settings` of a loss of one's own, checked; errors as `check_loss`."""
    try:
        settings: BaseModel = loss_class(config.loss).Config(**config.loss_settings)
    except ValidationError as error:
        where = f"loss_settings of '{config.loss}'"
        raise wrong_field(error, where, "mend the profile") from error
    return settings


def check_loss(config: ObjectiveConfig) -> None:
    """See whether there is such a loss and whether its settings fit.

    Raises:
        ConfigError: there is none, or a field of its settings is unknown or out of range.
    """
    if config.loss not in LOSSES:
        loss_settings(config)
    elif config.loss_settings:
        what = f"loss '{config.loss}' has no settings of its own"
        raise ConfigError(what, "leave loss_settings out")
