"""The captioners, one file an architecture, the factory that builds them, and weights to load."""

from __future__ import annotations

from gegcore.data.features import InputSizes
from gegcore.models.attention_lstm import AttentionCaptioner, AttentionConfig
from gegcore.models.captioner import Captioner, Memory, State, shift_right
from gegcore.models.gcn_lstm import GCNLSTM, GCNLSTMConfig
from gegcore.models.lstm_a3 import LSTMA3, LSTMA3Config
from gegcore.models.meshed_memory import MeshedMemory, MeshedMemoryConfig
from gegcore.models.registry import ARCHITECTURES, build_captioner
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
