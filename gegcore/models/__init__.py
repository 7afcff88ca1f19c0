"""The captioners, one file an architecture, and the factory that builds them by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from gegcore.data.features import InputSizes
from gegcore.errors import ConfigError
from gegcore.models.attention_lstm import AttentionCaptioner, AttentionConfig
from gegcore.models.captioner import Captioner, Memory, State, shift_right
from gegcore.models.gcn_lstm import GCNLSTM, GCNLSTMConfig
from gegcore.models.lstm_a3 import LSTMA3, LSTMA3Config
from gegcore.models.meshed_memory import MeshedMemory, MeshedMemoryConfig
from gegcore.models.transformer import Transformer, TransformerConfig
from gegcore.models.up_down import UpDown, UpDownConfig
from gegcore.models.xlan import Xlan, XlanConfig

__all__ = [
    "ARCHITECTURES",
    "GCNLSTM",
    "LSTMA3",
    "AttentionCaptioner",
    "AttentionConfig",
    "Captioner",
    "GCNLSTMConfig",
    "InputSizes",
    "LSTMA3Config",
    "Memory",
    "MeshedMemory",
    "MeshedMemoryConfig",
    "State",
    "Transformer",
    "TransformerConfig",
    "UpDown",
    "UpDownConfig",
    "Xlan",
    "XlanConfig",
    "build_captioner",
    "shift_right",
]

ARCHITECTURES: dict[str, tuple[Callable[[int, InputSizes, Any], Captioner], type[BaseModel]]] = {
    "lstm_a3": (LSTMA3, LSTMA3Config),
    "attention": (AttentionCaptioner, AttentionConfig),
    "updown": (UpDown, UpDownConfig),
    "gcn_lstm": (GCNLSTM, GCNLSTMConfig),
    "transformer": (Transformer, TransformerConfig),
    "meshed_memory": (MeshedMemory, MeshedMemoryConfig),
    "xlan": (Xlan, XlanConfig),
}
"""Name -> (captioner, its config); a new model adds one line here."""


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
    if name not in ARCHITECTURES:
        raise ConfigError(f"unknown model {name!r}", f"choose one of: {', '.join(ARCHITECTURES)}")
    model, config = ARCHITECTURES[name]
    try:
        resolved = config(**overrides)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        fields = ", ".join(config.model_fields)
        raise ConfigError(
            f"bad settings of model {name!r}: {wrong}", f"fields: {fields}"
        ) from error
    return model(vocab_size, inputs, resolved)
