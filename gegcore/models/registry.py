"""All captioners by name, and the factory that builds one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from gegcore import registry
from gegcore.data.features import InputSizes
from gegcore.errors import ConfigError
from gegcore.models.attention_lstm import AttentionCaptioner
from gegcore.models.captioner import Captioner
from gegcore.models.gcn_lstm import GCNLSTM
from gegcore.models.lstm_a3 import LSTMA3
from gegcore.models.meshed_memory import MeshedMemory
from gegcore.models.transformer import Transformer
from gegcore.models.up_down import UpDown
from gegcore.models.xlan import Xlan

ARCHITECTURES: dict[str, type[Captioner]] = {
    "lstm_a3": LSTMA3,
    "attention": AttentionCaptioner,
    "updown": UpDown,
    "gcn_lstm": GCNLSTM,
    "transformer": Transformer,
    "meshed_memory": MeshedMemory,
    "xlan": Xlan,
}
"""In the order of the paper; a new captioner adds one line here, or in a profile."""


_ALSO = {"m2": "meshed_memory", "up_down": "updown", "x_lan": "xlan"}
"""Names that the literature and X-modaler's users also have for them."""


def build_captioner(name: str, vocab_size: int, inputs: InputSizes, **overrides: Any) -> Captioner:
    """Build an untrained captioner; its config's defaults are the published (paper) size.

    Args:
        name: a key of ``ARCHITECTURES``, or ``package.module:Class`` of a :class:`Captioner`.
        vocab_size: V, id 0 included.
        inputs: widths of the features that it will see.
        overrides: fields of the model's config, such as ``width=128``.

    Raises:
        ConfigError: an unknown model, an unknown field, a value out of range, or data that lacks
            what the model reads.
    """
    build: Any = architecture(name)
    captioner: Captioner = build(vocab_size, inputs, resolve_config(name, **overrides))
    return captioner


def canonical(name: str) -> str:
    """The key in ``ARCHITECTURES`` of a model that also goes by another name."""
    return _ALSO.get(name, name)


def architecture(name: str) -> type[Captioner]:
    """The class of the captioner of that name; ConfigError if there is none."""
    found: type[Captioner] = registry.find("captioner", canonical(name), ARCHITECTURES)
    if not (isinstance(found, type) and hasattr(found, "Config")):
        raise ConfigError(
            f"captioner '{name}' is no class with a Config",
            "derive it from gegcore.models.Captioner",
        )
    return found


def resolve_config(name: str, **overrides: Any) -> BaseModel:
    """The config of a model with some fields overridden; errors as `build_captioner`."""
    config = architecture(name).Config
    try:
        return config(**overrides)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        fix = f"fields: {', '.join(config.model_fields)}"
        raise ConfigError(f"bad settings of model {name!r}: {wrong}", fix) from error
