"""All captioners by name, and the factory that builds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from gegcore.data.features import InputSizes
from gegcore.errors import ConfigError
from gegcore.models.attention_lstm import AttentionCaptioner, AttentionConfig
from gegcore.models.captioner import Captioner
from gegcore.models.gcn_lstm import GCNLSTM, GCNLSTMConfig
from gegcore.models.lstm_a3 import LSTMA3, LSTMA3Config
from gegcore.models.meshed_memory import MeshedMemory, MeshedMemoryConfig
from gegcore.models.transformer import Transformer, TransformerConfig
from gegcore.models.up_down import UpDown, UpDownConfig
from gegcore.models.xlan import Xlan, XlanConfig

ARCHITECTURES: dict[str, tuple[Callable[[int, InputSizes, Any], Captioner], type[BaseModel]]] = {
    "lstm_a3": (LSTMA3, LSTMA3Config),
    "attention": (AttentionCaptioner, AttentionConfig),
    "updown": (UpDown, UpDownConfig),
    "gcn_lstm": (GCNLSTM, GCNLSTMConfig),
    "transformer": (Transformer, TransformerConfig),
    "meshed_memory": (MeshedMemory, MeshedMemoryConfig),
    "xlan": (Xlan, XlanConfig),
}
"""Name -> (captioner, its config), in the order of the paper; a new model adds one line here."""


_ALSO = {"m2": "meshed_memory", "up_down": "updown", "x_lan": "xlan"}
"""Names that the literature and X-modaler's users also have for them."""


def build_captioner(name: str, vocab_size: int, inputs: InputSizes, **overrides: Any) -> Captioner:
    """Build an untrained captioner; its config's defaults are the published (paper) size.

    Args:
        name: a key of ``ARCHITECTURES``.
        vocab_size: V, id 0 included.
        inputs: widths of the features that it will see.
        overrides: fields of the model's config, such as ``width=128``.

    Raises:
        ConfigError: an unknown model, an unknown field, or a value out of range.
    """
    return architecture(name)[0](vocab_size, inputs, resolve_config(name, **overrides))


def canonical(name: str) -> str:
    """The key in ``ARCHITECTURES`` of a model that also goes by another name."""
    return _ALSO.get(name, name)


def architecture(
    name: str,
) -> tuple[Callable[[int, InputSizes, Any], Captioner], type[BaseModel]]:
    """The captioner of that name and its config.

    Raises:
        ConfigError: there is none.
    """
    name = canonical(name)
    if name not in ARCHITECTURES:
        raise ConfigError(f"unknown model {name!r}", f"choose one of: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def resolve_config(name: str, **overrides: Any) -> BaseModel:
    """The config of a model with some fields overridden.

    Raises:
        ConfigError: an unknown model, an unknown field, or a value out of range.
    """
    config = architecture(name)[1]
    try:
        return config(**overrides)
    except ValidationError as error:
        raise bad_settings(name, error) from error


def bad_settings(name: str, error: ValidationError) -> ConfigError:
    """What is wrong with the settings of a model, and which fields it has."""
    wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    fields = ", ".join(ARCHITECTURES[name][1].model_fields)
    return ConfigError(f"bad settings of model {name!r}: {wrong}", f"fields: {fields}")
